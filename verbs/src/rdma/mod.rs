//! Links over RDMA: InfiniBand, RoCE, soft-RoCE, through libibverbs.

mod context;
mod devices;
mod error;
mod library;
mod odp;

pub use devices::{Device, Gid, GidKind, Limits, LinkLayer, OnDemandPaging, Port, PortState, devices};
pub use error::RdmaError;
