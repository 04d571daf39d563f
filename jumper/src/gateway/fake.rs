//! App memory for tests: pages in a map, everything else faults.

use std::collections::BTreeMap;

use super::guest::{Fault, GuestMemory, PAGE, to_page_end};

#[derive(Default)]
pub(crate) struct FakeMemory {
    pages: BTreeMap<u64, Vec<u8>>,
    /// Pages that were read, by number: what a real memory would have had to pull.
    pub touched: Vec<u64>,
}

impl FakeMemory {
    /// Memory with zeroed pages for `len` bytes at `addr`.
    pub fn with(addr: u64, len: u64) -> FakeMemory {
        let mut memory = FakeMemory::default();
        memory.map(addr, len);
        memory
    }

    pub fn map(&mut self, addr: u64, len: u64) {
        for page in addr / PAGE..=(addr + len - 1) / PAGE {
            self.pages.entry(page).or_insert_with(|| vec![0; PAGE as usize]);
        }
    }

    pub fn put(&mut self, addr: u64, bytes: &[u8]) {
        self.write(addr, bytes).expect("mapped");
    }

    pub fn put_words(&mut self, addr: u64, words: &[u64]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(addr, &bytes);
    }

    pub fn get(&mut self, addr: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.read(addr, &mut bytes).expect("mapped");
        bytes
    }
}

impl GuestMemory for FakeMemory {
    fn read(&mut self, addr: u64, into: &mut [u8]) -> Result<(), Fault> {
        let mut at = 0;
        while at < into.len() {
            let from = addr.checked_add(at as u64).ok_or(Fault { addr })?;
            let n = to_page_end(from).min(into.len() - at);
            let page = self.pages.get(&(from / PAGE)).ok_or(Fault { addr: from })?;
            let offset = (from % PAGE) as usize;
            into[at..at + n].copy_from_slice(&page[offset..offset + n]);
            self.touched.push(from / PAGE);
            at += n;
        }
        Ok(())
    }

    fn write(&mut self, addr: u64, bytes: &[u8]) -> Result<(), Fault> {
        let mut at = 0;
        while at < bytes.len() {
            let to = addr.checked_add(at as u64).ok_or(Fault { addr })?;
            let n = to_page_end(to).min(bytes.len() - at);
            let page = self.pages.get_mut(&(to / PAGE)).ok_or(Fault { addr: to })?;
            let offset = (to % PAGE) as usize;
            page[offset..offset + n].copy_from_slice(&bytes[at..at + n]);
            at += n;
        }
        Ok(())
    }
}
