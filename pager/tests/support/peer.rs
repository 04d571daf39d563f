//! The other end of home's link: a region, and a thread that answers requests for slabs, and for pages that were left there.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use eos_pager::demand::{DEMAND, DEMAND_REPLY};
use eos_pager::fetch::FETCH;
use eos_pager::slabs::{GIVE_BACK, LEASE, LEASE_REPLY};
use eos_verbs::{Mailbox, NodeId, PAGE, PeerName, QueuePair, Region, TransportKind, Wires, connect_pair};

/// The bytes that answer a LEASE.
pub type Answer = Box<dyn FnMut() -> Vec<u8> + Send>;

/// The bytes of pages that are resident at the peer, by page number.
pub type Store = Arc<Mutex<BTreeMap<u64, Vec<u8>>>>;

const FETCH_REPLY: u8 = 2;
/// Pages that are granted at once.
pub const SLAB: u64 = 32;
/// What memory holds that was given back: nobody may ever see it.
const GARBAGE: u8 = 0xA5;

/// A running peer; ends when dropped.
pub struct Peer {
    pub store: Store,
    /// Slabs that it wants back; as long as there are any it lends none.
    pub owed: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// A peer that grants `pages` in all, and home's end of the link to it.
    pub fn start(
        node: u8,
        wire: TransportKind,
        home: &Arc<Region>,
        pages: u64,
        answer: Option<Answer>,
    ) -> (Self, Box<dyn QueuePair>) {
        let (near, far) = wires(wire);
        let ends = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ends);
        let store = Store::default();
        let pages_there = Arc::clone(&store);
        let owed = Arc::new(AtomicU64::new(0));
        let wanted = Arc::clone(&owed);
        let thread = thread::spawn(move || {
            let region = Region::new((pages.max(1) as usize) * PAGE).expect("a region");
            let link = join(node, 0, false, far, &region);
            let lent = vec![false; pages.div_ceil(SLAB) as usize];
            let lends = Lends { lent, pages, region, owed: wanted };
            serve(link, &end, answer, lends, &pages_there);
        });
        let link = join(0, node, true, near, home);
        (Self { store, owed, ends, thread: Some(thread) }, link)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn join(me: u8, peer: u8, initiator: bool, wires: Wires, region: &Arc<Region>) -> Box<dyn QueuePair> {
    let peer = PeerName(NodeId(peer), "test".into());
    connect_pair(NodeId(me), peer, initiator, wires, region, 0).expect("a link")
}

/// Answers until the end, or until home is gone.
fn serve(link: Box<dyn QueuePair>, end: &AtomicBool, mut answer: Option<Answer>, mut lends: Lends, store: &Store) {
    let (mailbox, mut links, mut message) = (Mailbox::new(), [Some(link)], Vec::new());
    while !end.load(Ordering::Relaxed) {
        match mailbox.wait(&mut links, &mut message, Some(Duration::from_millis(20))) {
            Ok(None) => {}
            Ok(Some(_)) => {
                let link = links[0].as_mut().expect("the link");
                match message.first() {
                    Some(&LEASE) => {
                        let reply = answer.as_mut().map_or_else(|| lends.lend(), |answer| answer());
                        drop(link.send(&[&reply]));
                    }
                    Some(&GIVE_BACK) => lends.take_back(&message),
                    Some(&DEMAND) => drop(link.send(&[&lends.demand()])),
                    Some(&FETCH) => drop(link.send(&[&taken_from(store, &message)])),
                    // Home has served a request that a test made up.
                    Some(&FETCH_REPLY) => {}
                    _ => panic!("home sends nothing else"),
                }
            }
            Err(_home_is_gone) => return,
        }
    }
}

/// The answer to a FETCH: the pages, which leave the store.
fn taken_from(store: &Store, message: &[u8]) -> Vec<u8> {
    let count = u64::from(u16::from_le_bytes([message[2], message[3]]));
    let first = u64::from_le_bytes(message[8..].try_into().expect("eight bytes"));
    let mut store = store.lock().expect("no panic inside");
    let mut reply = vec![FETCH_REPLY, 0, 0, 0, 0, 0, 0, 0];
    (first..first + count).for_each(|page| reply.extend(store.remove(&page).expect("a page that is here")));
    reply
}

/// An honest peer's slabs, of which the lowest that is free is lent.
struct Lends {
    lent: Vec<bool>,
    pages: u64,
    region: Arc<Region>,
    owed: Arc<AtomicU64>,
}

impl Lends {
    fn slab(&self, index: usize) -> (u64, u64) {
        let first = index as u64 * SLAB;
        (first, SLAB.min(self.pages - first))
    }

    fn demand(&self) -> Vec<u8> {
        let owed = self.owed.load(Ordering::Relaxed);
        [&[DEMAND_REPLY][..], &owed.to_le_bytes(), &[0; 8]].concat()
    }

    fn lend(&mut self) -> Vec<u8> {
        if self.owed.load(Ordering::Relaxed) > 0 {
            return lease_reply(0, 0);
        }
        let Some(index) = self.lent.iter().position(|lent| !lent) else {
            return lease_reply(0, 0);
        };
        self.lent[index] = true;
        let (first, count) = self.slab(index);
        lease_reply(first, count)
    }

    fn take_back(&mut self, message: &[u8]) {
        let number = |at: usize| u64::from_le_bytes(message[at..at + 8].try_into().expect("eight bytes"));
        let (first, count) = (number(1), number(9));
        let index = (first / SLAB) as usize;
        assert_eq!(
            (self.slab(index), self.lent[index], message.len()),
            ((first, count), true, 17),
            "a slab that is lent"
        );
        self.lent[index] = false;
        let _ = self.owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |owed| owed.checked_sub(1));
        // SAFETY: inside the region; home says that it does not use these slots.
        unsafe { self.region.base().add(first as usize * PAGE).write_bytes(GARBAGE, count as usize * PAGE) };
    }
}

/// The message that grants `count` slots.
pub fn lease_reply(first: u64, count: u64) -> Vec<u8> {
    [&[LEASE_REPLY][..], &first.to_le_bytes(), &count.to_le_bytes()].concat()
}

fn wires(kind: TransportKind) -> (Wires, Wires) {
    match kind {
        TransportKind::Rdma => unreachable!("needs a device; the pager's tests use the wires that every machine has"),
        TransportKind::Shm => {
            let (near, far) = UnixStream::pair().expect("a pair");
            (Wires::Shm(near), Wires::Shm(far))
        }
        TransportKind::Tcp => {
            let [(msg, msg_far), (forward, forward_far), (back, back_far)] = [(); 3].map(|()| tcp_streams());
            let far = Wires::Tcp { msg: msg_far, forward: forward_far, back: back_far };
            (Wires::Tcp { msg, forward, back }, far)
        }
    }
}

fn tcp_streams() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let near = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
    (near, listener.accept().expect("accepted").0)
}
