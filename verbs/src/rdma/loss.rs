//! When a link is of no more use, and why.

use std::time::{Duration, Instant};

use ibverbs_sys::ibv_wc_status as status;

use super::active::Active;
use super::error::RdmaError;
use crate::error::VerbsError;

/// How long a peer that said "access denied" may take to be seen as gone: one that ends frees its memory first.
const GRACE: Duration = Duration::from_millis(500);

/// Why a link is of no more use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Loss {
    /// The peer, or the network to it.
    Gone,
    /// The peer lives and answers, but work requests do not get through.
    Blocked,
    /// One of the two ends is wrong about something.
    Broken(&'static str),
    /// The device of this node has failed.
    Device,
}

impl Active {
    /// # Errors
    /// After the link was given up: why.
    pub(super) fn alive(&self) -> Result<(), VerbsError> {
        match self.lost {
            None => Ok(()),
            Some(loss) => Err(self.error(loss)),
        }
    }

    #[cold]
    pub(super) fn error(&self, loss: Loss) -> VerbsError {
        match loss {
            Loss::Gone => VerbsError::Disconnected { peer: self.peer.clone() },
            Loss::Blocked => {
                let device = self.port.domain.name().to_owned();
                RdmaError::Blocked { device, peer: self.peer.clone() }.into()
            }
            Loss::Broken(what) => VerbsError::protocol(&self.peer, what),
            Loss::Device => RdmaError::DeviceGone { device: self.port.domain.name().to_owned() }.into(),
        }
    }

    /// Gives the link up.
    #[cold]
    pub(super) fn lose(&mut self, loss: Loss) -> VerbsError {
        self.lost = Some(loss);
        self.error(loss)
    }

    #[cold]
    pub(super) fn heal(&mut self, error: status::Type) -> Result<(), VerbsError> {
        let what = match error {
            status::IBV_WC_REM_ACCESS_ERR => "its memory refused access to bytes that it had offered",
            status::IBV_WC_REM_INV_REQ_ERR | status::IBV_WC_REM_INV_RD_REQ_ERR => "its device refused a work request",
            status::IBV_WC_LOC_LEN_ERR
            | status::IBV_WC_LOC_PROT_ERR
            | status::IBV_WC_LOC_QP_OP_ERR
            | status::IBV_WC_LOC_ACCESS_ERR
            | status::IBV_WC_BAD_RESP_ERR => "a work request made no sense to the RDMA device",
            _ => return self.recover(),
        };
        // a peer that ends frees its memory before its connection
        let gone = self.control.gone_by(Instant::now() + GRACE);
        Err(self.lose(if gone { Loss::Gone } else { Loss::Broken(what) }))
    }

    /// # Errors
    /// `Rdma` once the device has failed or was removed.
    pub(super) fn check_device(&mut self) -> Result<(), VerbsError> {
        if self.port.domain.has_failed() { Err(self.lose(Loss::Device)) } else { Ok(()) }
    }
}
