//! fork(2): the kernel copies the process, runtime and all; the child then becomes a home of its own.
//!
//! Memory that is mapped is shared until one of the two writes, as natively. Pages in slots are copied at once: the parent reads
//! them, the child writes them to slots of its own. That costs a READ and a WRITE a page, and memory on the peers, as a copy does; in return
//! parent and child know nothing of each other afterwards, and either may end first. Small processes have no such pages.
//!
//! # Safety
//!
//! Only the thread that forks exists in the child. It holds the lock of the house, so the state is whole; what other threads of the
//! runtime were doing is of no meaning there, since all queue pairs are forgotten.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use eos_pager::page::{PAGE_SIZE, PageNumber};
use eos_pager::pager::Pager;

use crate::RunError;
use crate::clock_page;
use crate::cluster::nursery;
use crate::cluster::signal_set::SignalsBlocked;
use crate::demand::Demands;
use crate::executor::{Done, Executor, Tally, Trap};
use crate::give_back::GivesBack;
use crate::keepers::Kept;
use crate::low_fds::{LowFds, RaisedLimit, to_high};
use crate::peers::Stretching;
use crate::say::kept_stderr;
use crate::threads::Birth;
use crate::traps;
use crate::worker::Terms;

/// What a child that has memory of its own may be asked for beside.
const TAKEN: u64 =
    (libc::CLONE_PARENT_SETTID | libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID | libc::CLONE_SETTLS) as u64;

const PAGE: usize = PAGE_SIZE as usize;

impl Birth {
    /// Whether fork(2) can do it.
    pub(super) fn is_fork(&self) -> bool {
        self.flags & !TAKEN == 0 && self.exit_signal == libc::SIGCHLD as u64
    }
}

impl Executor {
    /// Forks. Returns in both processes, under the lock of the house.
    ///
    /// # Errors
    /// A page is out of reach, or the child cannot become a home; the process in which it happens ends.
    pub(super) fn fork(&mut self, birth: &Birth, trap: &mut Trap<'_>) -> Result<Done, RunError> {
        let away = self.pager.away()?;
        // Of both processes, until the program goes on in them.
        let _limit = RaisedLimit::raise();
        let Ok((sender, receiver)) = UnixStream::pair() else {
            return Ok(Done::Result(-i64::from(libc::EAGAIN)));
        };
        // The program's next descriptor has the number that it has natively.
        let (sender, receiver) = (to_high(sender.into()), to_high(receiver.into()));
        let (Ok(sender), Ok(receiver)) = (sender, receiver) else {
            return Ok(Done::Result(-i64::from(libc::EMFILE)));
        };
        let Ok(_blocked) = SignalsBlocked::all() else {
            return Ok(Done::Result(-i64::from(libc::EAGAIN)));
        };
        // SAFETY: see the top of this file; fork(3) puts the C library's own state in order.
        match unsafe { libc::fork() } {
            -1 => Ok(Done::Result(-i64::from(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EAGAIN)))),
            0 => {
                drop(sender);
                self.become_child(birth, !away.is_empty(), File::from(receiver), trap)?;
                Ok(Done::Result(0))
            }
            pid => {
                drop(receiver);
                if birth.asks(libc::CLONE_PARENT_SETTID) {
                    let _ = self.store(birth.parent_tid, &pid.to_le_bytes())?;
                }
                if !away.is_empty() {
                    send_pages(&mut self.pager, &away, sender)?;
                }
                Ok(Done::Result(i64::from(pid)))
            }
        }
    }

    fn become_child(
        &mut self,
        birth: &Birth,
        any_away: bool,
        pages: File,
        trap: &mut Trap<'_>,
    ) -> Result<(), RunError> {
        traps::dispatch_system_calls().map_err(RunError::Traps)?;
        let before = trap.thread.id;
        trap.thread.renumber();
        self.crew.keep_only(before, trap.thread.id);
        trap.thread.house.nobody_is_back();
        if self.threads > 1 {
            clock_page::after_fork();
        }
        trap.thread.house.recall.set_doors(&[]);
        while trap.thread.pending.pop().is_some() {}
        let low_fds = self.open_own(&pages)?;
        if any_away {
            self.receive_pages(pages)?;
        }
        self.own_fds = low_fds.release().map_err(RunError::Descriptors)?;
        self.own_fds.extend(kept_stderr());
        self.own_fds.extend(nursery::kept());
        self.note_late_peers(&trap.thread.house.recall);
        self.as_child(birth, trap)
    }

    /// Closes what the parent's runtime had open, and opens the child's own.
    fn open_own(&mut self, pages: &File) -> Result<LowFds, RunError> {
        let mut kept = kept_stderr();
        kept.extend(nursery::kept());
        kept.add(pages);
        self.own_fds.close_all_but(&kept);
        let low_fds = LowFds::reserve().map_err(RunError::Descriptors)?;
        let home = self.home.as_mut().ok_or(RunError::Internal("only home can fork"))?;
        let options = home.options.clone();
        // Forgotten, not dropped: their descriptors are closed already, and the numbers may be others' by now.
        std::mem::forget(std::mem::take(&mut home.alarms));
        std::mem::forget(home.report.take());
        self.forget_record();
        let home = self.home.as_mut().ok_or(RunError::Internal("only home can fork"))?;
        home.started = std::time::Instant::now();
        let terms = Terms::of(&options);
        let stretching = Stretching::new(&options, &terms)?;
        self.tally = Tally::default();
        // The governor has stayed with the parent; the child keeps the budget that it was born with.
        (self.governed, self.kept) = (false, Kept::WithPeers);
        self.gives_back = GivesBack::default();
        self.demands = Demands::new(terms.peers_ask);
        self.threads = 1;
        self.first_thread_status = None;
        self.advisor = crate::worker::advisor(terms.jump);
        self.begin_advice();
        self.forget_peers();
        self.pager.become_child(stretching.region(), None)?;
        stretching.put_off(self)?;
        Ok(low_fds)
    }

    fn receive_pages(&mut self, mut pages: File) -> Result<(), RunError> {
        let mut record = [0; 8 + PAGE];
        loop {
            match pages.read_exact(&mut record) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(source) => return Err(RunError::Inherit(source)),
            }
            let (page, bytes) = record.split_first_chunk::<8>().expect("longer than that");
            let page = PageNumber(u64::from_le_bytes(*page));
            if page == END {
                return Ok(self.pager.put_all()?);
            }
            self.pager.put(page, bytes.try_into().expect("a page"))?;
        }
        Err(RunError::Inherit(io::ErrorKind::UnexpectedEof.into()))
    }

    /// What clone(2) does in the child.
    fn as_child(&mut self, birth: &Birth, trap: &mut Trap<'_>) -> Result<(), RunError> {
        if birth.stack != 0 {
            trap.frame.set(libc::REG_RSP, birth.stack);
        }
        if birth.asks(libc::CLONE_SETTLS) {
            *trap.app_fs = birth.tls;
        }
        trap.thread.set_robust_list(0);
        trap.thread.clear_child_tid = if birth.asks(libc::CLONE_CHILD_CLEARTID) { birth.child_tid } else { 0 };
        if birth.asks(libc::CLONE_CHILD_SETTID) {
            let _ = self.store(birth.child_tid, &trap.thread.id.to_le_bytes())?;
        }
        Ok(())
    }
}

/// Stands for a page's number after the last page.
const END: PageNumber = PageNumber(u64::MAX);

/// A child that has ended meanwhile is no error of the parent's.
fn send_pages(pager: &mut Pager, away: &[PageNumber], to: OwnedFd) -> Result<(), RunError> {
    let socket = UnixStream::from(to);
    let mut record = [0; 8 + PAGE];
    for page in away.iter().copied().chain([END]) {
        let (number, bytes) = record.split_first_chunk_mut::<8>().expect("longer than that");
        *number = page.0.to_le_bytes();
        if page != END {
            pager.read_away(page, bytes.try_into().expect("a page"))?;
        }
        if send_all(&socket, &record).is_err() {
            break;
        }
    }
    Ok(())
}

/// Without SIGPIPE, whose disposition is the program's.
fn send_all(mut socket: &UnixStream, record: &[u8]) -> io::Result<()> {
    let mut sent = 0;
    while sent < record.len() {
        sent += rustix::net::send(socket, &record[sent..], rustix::net::SendFlags::NOSIGNAL)?;
    }
    socket.flush()
}
