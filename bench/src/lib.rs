//! Workloads and micro-benchmarks of eos-rdma.
//!
//! * [`workload`]: the six programs of the ElasticOS paper as plain algorithms. They know nothing of the runtime; the
//!   thin programs in `src/bin/` wrap one each.
//! * [`micro`]: what one fault, one trapped system call and one message cost on this machine, with nothing of ours in
//!   between, and beside them what the runtime makes of it.
//! * [`figures`]: the whole evaluation, beside swap, on several links and numbers of nodes.

pub mod checksum;
pub mod figures;

pub mod micro;
pub mod program;
pub mod random;
pub mod workload;
