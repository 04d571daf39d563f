//! Blocks: how the data of a packed read or write lies on the wire.
//!
//! The data is cut into pieces of [`BLOCK`] bytes; the last may be shorter. Each goes as its length on the wire (u32) and so many bytes: fewer
//! than the piece has are an LZ4 block (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md>), as many are the piece itself.
//! So data that does not shrink costs four bytes a piece. A block that does not give exactly its piece ends the link.

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};
use zerocopy::little_endian::U32;

/// Most bytes of data in a block: 8 pages.
pub(super) const BLOCK: usize = 32 << 10;
/// Bytes before each block.
pub(super) const BLOCK_HEADER: usize = size_of::<U32>();
/// A block goes packed if this part of it is saved at least: what saves less is not worth expanding.
const LEAST_SAVED: usize = 16;

/// A block, or the header of one, makes no sense.
#[derive(Debug)]
pub(super) struct Malformed;

/// Compresses, in memory of its own (8 KiB of hash table, 36 KiB of output). Allocates at the start only.
pub(super) struct Packer {
    table: CompressTable,
    output: Box<[u8]>,
}

impl Packer {
    pub(super) fn new() -> Packer {
        let output = vec![0; get_maximum_output_size(BLOCK)].into_boxed_slice();
        Packer { table: CompressTable::small(), output }
    }

    /// What goes over the wire for at most [`BLOCK`] bytes; fewer bytes than `raw`, or `raw` itself.
    pub(super) fn pack<'a>(&'a mut self, raw: &'a [u8]) -> &'a [u8] {
        debug_assert!((1..=BLOCK).contains(&raw.len()));
        match compress_into_with_table(raw, &mut self.output, &mut self.table) {
            Ok(len) if len + raw.len() / LEAST_SAVED < raw.len() => &self.output[..len],
            _ => raw,
        }
    }
}

/// The header of a block that takes `wire` bytes.
pub(super) fn header(wire: &[u8]) -> U32 {
    U32::new(wire.len() as u32)
}

/// The length on the wire that a header tells, for a piece of `raw` bytes.
pub(super) fn wire_len(header: U32, raw: usize) -> Result<usize, Malformed> {
    match header.get() as usize {
        len if (1..=raw).contains(&len) => Ok(len),
        _ => Err(Malformed),
    }
}

/// Expands an LZ4 block to exactly `raw`.
pub(super) fn unpack(wire: &[u8], raw: &mut [u8]) -> Result<(), Malformed> {
    match decompress_into(wire, raw) {
        Ok(len) if len == raw.len() => Ok(()),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs of equal bytes of many lengths: some shrink, some do not.
    fn any_piece() -> impl Strategy<Value = Vec<u8>> {
        let run = prop_oneof![(any::<u8>(), 1..4_usize), (any::<u8>(), 1..3000_usize)];
        prop::collection::vec(run, 1..200).prop_map(|runs| {
            let mut bytes: Vec<u8> = runs.into_iter().flat_map(|(byte, len)| std::iter::repeat_n(byte, len)).collect();
            bytes.truncate(BLOCK);
            bytes
        })
    }

    fn round_trip(packer: &mut Packer, raw: &[u8]) -> usize {
        let wire = packer.pack(raw).to_vec();
        let len = wire_len(header(&wire), raw.len()).expect("a length");
        let mut back = vec![0xEE; raw.len()];
        match len == raw.len() {
            true => back.copy_from_slice(&wire),
            false => unpack(&wire, &mut back).expect("a block"),
        }
        assert!(back == raw);
        len
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(pieces in prop::collection::vec(any_piece(), 1..5)) {
            let mut packer = Packer::new();
            for raw in &pieces {
                prop_assert!(round_trip(&mut packer, raw) <= raw.len());
            }
        }

        /// Whatever comes is a piece of the right length or refused.
        #[test]
        fn any_bytes_are_expanded_or_refused(wire in prop::collection::vec(any::<u8>(), 0..300), raw in 1..BLOCK) {
            let mut into = vec![0; raw];
            let _ = unpack(&wire, &mut into);
        }

        #[test]
        fn a_block_that_was_cut_or_is_for_another_length_is_refused(raw in any_piece(), cut in 1..64_usize) {
            let mut packer = Packer::new();
            let wire = packer.pack(&raw).to_vec();
            prop_assume!(wire.len() < raw.len());
            prop_assert!(unpack(&wire[..wire.len() - cut.min(wire.len())], &mut vec![0; raw.len()]).is_err());
            prop_assert!(unpack(&wire, &mut vec![0; raw.len() + 1]).is_err());
            prop_assert!(unpack(&wire, &mut vec![0; raw.len() - 1]).is_err());
        }
    }

    #[test]
    fn zeros_shrink_and_noise_goes_as_it_is() {
        let mut packer = Packer::new();
        assert!(round_trip(&mut packer, &[0; BLOCK]) < 200);
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..BLOCK)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        assert_eq!(round_trip(&mut packer, &noise), BLOCK);
        assert_eq!(round_trip(&mut packer, &noise[..1]), 1);
    }

    #[test]
    fn a_length_that_fits_no_piece_is_refused() {
        for (len, raw) in [(0, 4096), (4097, 4096), (u32::MAX, BLOCK)] {
            assert!(wire_len(U32::new(len), raw).is_err());
        }
        assert_eq!(wire_len(U32::new(4096), 4096).expect("raw"), 4096);
    }
}
