//! Peers that join while the program runs: stretch on need.

use eos_verbs::QueuePair;

use crate::changes::ChangeLists;
use crate::error::PagerError;
use crate::layout_log::LayoutLog;
use crate::pager::{NodeBook, Pager};
use eos_verbs::NodeId;

/// Finds peers and joins them to the pager ([`Pager::join`]). Called once, when this node's memory is used up for the first time.
pub type Stretch = Box<dyn FnOnce(&mut Pager) -> Result<(), PagerError> + Send>;

impl Pager {
    /// Puts the search for peers off until memory is needed.
    pub fn stretch_on_need(&mut self, stretch: Stretch) {
        self.stretch = Some(stretch);
    }

    /// Peers that stand ready: one book and one queue pair for each, the first for node 1. They know nothing of the program yet.
    /// Call it at home, where the program executes; when there are other nodes, these are told too ([`seat`](Self::seat)).
    pub fn join(&mut self, peers: impl IntoIterator<Item = (NodeBook, Box<dyn QueuePair>)>) {
        for (book, link) in peers {
            let node = NodeId(u8::try_from(self.nodes.len()).unwrap_or(u8::MAX));
            self.slots.push(book.slots());
            if book.executes {
                self.active |= 1 << node.0;
                self.log.join(node);
                self.changes.join(node, self.me, &self.table);
            }
            self.nodes.push(book);
            self.links.push(Some(link));
        }
        if self.layout.is_empty() {
            // Nothing has happened yet: they know all there is.
            self.log = LayoutLog::new(self.me, self.active);
            self.changes = ChangeLists::new(self.active & !(1 << self.me.0));
        }
    }

    /// On a peer that is parked: another one has joined, and the node that executes says so. Of what this node knows the newcomer
    /// knows nothing; of what changes from now on, the node that executes keeps account.
    pub fn seat(&mut self, book: NodeBook, link: Box<dyn QueuePair>) {
        let node = NodeId(u8::try_from(self.nodes.len()).unwrap_or(u8::MAX));
        self.slots.push(book.slots());
        if book.executes {
            self.active |= 1 << node.0;
            self.changes.join(node, self.me, &self.table);
        }
        self.nodes.push(book);
        self.links.push(Some(link));
    }

    /// Whether the search for peers is put off.
    #[must_use]
    pub fn is_to_stretch(&self) -> bool {
        self.stretch.is_some()
    }

    /// Looks for peers if that was put off until now.
    pub(crate) fn stretch_now(&mut self) -> Result<(), PagerError> {
        match self.stretch.take() {
            Some(stretch) => stretch(self),
            None => Ok(()),
        }
    }
}
