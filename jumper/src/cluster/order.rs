//! What an operator asks or tells a daemon: `eos-rdma lend`.

use std::net::SocketAddr;

use crate::cluster::ClusterError;
use crate::cluster::dial::{Caller, resolve, try_addresses};
use crate::cluster::host::random;
use crate::cluster::messages::{Loans, Order, encode};
use eos_verbs::NodeId;
use eos_verbs::session::{ClusterKey, Purpose};

/// A daemon, seen by its operator.
pub struct Operator {
    name: String,
    addresses: Vec<SocketAddr>,
    caller: Caller,
}

impl Operator {
    /// Of the daemon at this host and port. Does not call it yet.
    ///
    /// # Errors
    /// The host is not known.
    pub fn of(host: &str, port: u16, name: &str, key: ClusterKey) -> Result<Self, ClusterError> {
        let run_id = random().map_err(ClusterError::local("draw random numbers"))?;
        let caller = Caller { run_id, me: NodeId::HOME, key };
        Ok(Self { name: name.to_owned(), addresses: resolve(name, host, port)?, caller })
    }

    /// Gives an order; the answer is how much is lent now. Takes up to 10 s if the daemon is not there.
    ///
    /// # Errors
    /// The daemon is not there, has another key, or is of another release.
    pub fn order(&self, order: Order) -> Result<Loans, ClusterError> {
        let welcome = try_addresses(&self.addresses, |address| {
            let (_, welcome) = self.caller.call(&self.name, address, Purpose::Order { payload: encode(&order) })?;
            Ok(welcome)
        })?;
        let nonsense =
            |_| ClusterError::Worker { host: self.name.clone(), what: "its answer makes no sense".to_owned() };
        postcard::from_bytes(&welcome.payload).map_err(nonsense)
    }
}
