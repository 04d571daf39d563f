//! The crew: what one node knows of the program's threads there, so that they can stop, move together and go on.
//!
//! Each thread that hosts one of the program's is a [`Member`]. A thread *stands* when it has left its registers here and waits for an
//! [`Order`]; it waits without the lock of the house. Who has stopped the others and finds that all stand, or sleep in calls that stay
//! where they are, may move the process.
//!
//! Guarded by the lock of the house, but for the orders themselves.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};

use eos_verbs::NodeId;

use crate::forward::ForwardError;
use crate::jump::Sleeper;
use crate::own_fds::OwnFds;

/// What a thread that stands is told.
pub(crate) enum Order {
    /// Go on as this thread of the program.
    Go(Companion),
    /// At home: carry out a forwarded call of the thread that you are.
    Errand(Errand),
    /// At home: sleep in the call of the thread that you are, which has come home alone.
    Sleep(Sleeper),
}

/// A forwarded call for the deputy of one thread.
pub(crate) struct Errand {
    /// As [`forward::execute`](crate::forward::execute) takes it.
    pub request: Vec<u8>,
    /// The runtime's descriptors.
    pub own_fds: OwnFds,
    /// Where the answer goes.
    pub answer: SyncSender<Result<Vec<u8>, ForwardError>>,
}

/// How a thread sleeps in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleep {
    /// In a futex wait, which can be broken off and begun anew anywhere: the thread moves with the others.
    Moves,
    /// In a call that is home's. The thread stays there, with what the call has pinned, until it returns.
    Stays,
    /// In a futex wait that cannot be broken off, but is ended by what others do: nobody leaves meanwhile.
    Anchors,
}

/// One hosting thread.
struct Member {
    /// Its number on this node.
    id: u32,
    /// The program's thread that it hosts, by its number at home; none: it waits for one, on a peer.
    hosts: Option<u32>,
    asleep: Option<Sleep>,
    /// Registers of a thread that stands.
    context: Option<Vec<u8>>,
    orders: Sender<Order>,
}

/// One of the program's threads: its number at home, and its registers ([`context`](super::context)).
pub(crate) type Companion = (u32, Vec<u8>);

/// All hosting threads of this node.
#[derive(Default)]
pub(crate) struct Crew {
    members: Vec<Member>,
    stopping: bool,
    /// Reasons for which nobody may leave: guests, and an execve(2) that is under way.
    anchors: u32,
}

impl Crew {
    /// A thread joins. `hosts`: the program's thread that it hosts.
    pub fn add(&mut self, id: u32, hosts: Option<u32>, orders: Sender<Order>) {
        self.members.push(Member { id, hosts, asleep: None, context: None, orders });
    }

    /// A thread has ended, or is the program's no longer.
    pub fn remove(&mut self, id: u32) {
        self.members.retain(|member| member.id != id);
    }

    /// In a forked child: one thread is left.
    pub fn keep_only(&mut self, before: u32, id: u32) {
        self.members.retain(|member| member.id == before);
        *self = Self { members: std::mem::take(&mut self.members), ..Self::default() };
        for member in &mut self.members {
            (member.id, member.hosts) = (id, Some(id));
        }
    }

    /// Whether the thread with this number hosts one of the program's.
    pub fn hosts_on(&self, id: u32) -> bool {
        self.members.iter().any(|member| member.id == id)
    }

    /// Whether more threads than one host the program here.
    pub fn is_several(&self) -> bool {
        self.members.len() > 1
    }

    /// Whether all threads are to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Nobody may leave until [`Crew::weigh`].
    pub fn anchor(&mut self) {
        self.anchors += 1;
    }

    /// Takes back one [`Crew::anchor`].
    pub fn weigh(&mut self) {
        self.anchors -= 1;
    }

    /// The one condition under which threads stay at home together: one is, or is about to become, a process of its own, or
    /// waits for a futex of a kind that only home has (PI, requeued, futex_waitv).
    pub fn may_move(&self) -> bool {
        self.anchors == 0 && !self.stopping && self.members.iter().all(|member| member.asleep != Some(Sleep::Anchors))
    }

    fn member(&mut self, id: u32) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    /// The thread goes to sleep in the kernel.
    pub fn falls_asleep(&mut self, id: u32, how: Sleep) {
        if let Some(member) = self.member(id) {
            member.asleep = Some(how);
        }
    }

    /// It is back.
    pub fn wakes(&mut self, id: u32) {
        if let Some(member) = self.member(id) {
            member.asleep = None;
        }
    }

    /// A futex was requeued: who sleeps may wait for another word than the one it named, and cannot begin anew.
    pub fn hold_sleepers(&mut self) {
        for member in &mut self.members {
            if member.asleep == Some(Sleep::Moves) {
                member.asleep = Some(Sleep::Anchors);
            }
        }
    }

    /// All but `me` are to stop. Returns whom to interrupt: a thread that runs, or sleeps in a wait that can be broken off.
    pub fn stop(&mut self, me: u32) -> Vec<u32> {
        self.stopping = true;
        let moving = |member: &&Member| member.id != me && !member.is_still();
        self.members.iter().filter(moving).map(|member| member.id).collect()
    }

    /// Whether all but `me` stand, or sleep in calls that stay.
    pub fn all_stand(&self, me: u32) -> bool {
        self.members.iter().all(|member| member.id == me || member.is_still())
    }

    /// The thread stands, with these registers.
    pub fn stands(&mut self, id: u32, context: Vec<u8>) {
        if let Some(member) = self.member(id) {
            member.context = Some(context);
        }
    }

    /// The process goes on where it is.
    pub fn go_on(&mut self) {
        self.stopping = false;
        for member in &mut self.members {
            if let (Some(context), Some(hosts)) = (member.context.take(), member.hosts) {
                member.order(Order::Go((hosts, context)));
            }
        }
    }

    /// The process leaves: the registers of all that stand. At home a member stays the thread that it is.
    pub fn leave(&mut self, home: bool) -> Vec<Companion> {
        self.stopping = false;
        let mut companions = Vec::new();
        for member in &mut self.members {
            if let (Some(context), Some(hosts)) = (member.context.take(), member.hosts) {
                companions.push((hosts, context));
            }
            if !home {
                member.hosts = None;
            }
        }
        companions
    }

    /// The member with this number hosts this thread of the program.
    pub fn takes(&mut self, id: u32, hosts: u32) {
        if let Some(member) = self.member(id) {
            member.hosts = Some(hosts);
        }
    }

    /// On a peer: the program's thread that this one hosts has gone.
    pub fn vacates(&mut self, id: u32) {
        if let Some(member) = self.member(id) {
            member.hosts = None;
        }
    }

    /// At home: a thread has come alone, to sleep in a call that stays. False if there is no such thread that waits for orders.
    pub fn sends_to_sleep(&mut self, number: u32, sleeper: Sleeper) -> bool {
        let waits = |member: &&mut Member| member.hosts == Some(number) && member.asleep.is_none();
        let Some(member) = self.members.iter_mut().find(waits) else { return false };
        member.asleep = Some(Sleep::Stays);
        member.orders.send(Order::Sleep(sleeper)).is_ok()
    }

    /// A thread arrives. At home it goes on as itself; on a peer any member that waits hosts it. Gives it back if there is none.
    pub fn seat(&mut self, node: NodeId, (number, context): Companion) -> Result<(), Companion> {
        let wanted = if node == NodeId::HOME { Some(number) } else { None };
        let Some(member) = self.members.iter_mut().find(|member| member.hosts == wanted) else {
            return Err((number, context));
        };
        member.hosts = Some(number);
        member.order(Order::Go((number, context)));
        Ok(())
    }

    /// At home: has the deputy of a thread carry out a call. False if there is no such thread.
    pub fn send_errand(&self, number: u32, errand: Errand) -> bool {
        let deputy = self.members.iter().find(|member| member.hosts == Some(number));
        deputy.is_some_and(|deputy| deputy.orders.send(Order::Errand(errand)).is_ok())
    }
}

impl Member {
    fn is_still(&self) -> bool {
        self.context.is_some() || self.hosts.is_none() || matches!(self.asleep, Some(Sleep::Stays | Sleep::Anchors))
    }

    /// A thread that stands waits for orders, so its end of the channel is open.
    fn order(&self, order: Order) {
        let heard = self.orders.send(order);
        debug_assert!(heard.is_ok(), "thread {} has gone without a word", self.id);
    }
}

/// The two ends of a thread's orders.
pub(super) fn orders() -> (Sender<Order>, Receiver<Order>) {
    channel()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId(1);

    fn crew(members: &[(u32, Option<u32>)]) -> (Crew, Vec<Receiver<Order>>) {
        let mut crew = Crew::default();
        let mut ends = Vec::new();
        for &(id, hosts) in members {
            let (sender, receiver) = orders();
            crew.add(id, hosts, sender);
            ends.push(receiver);
        }
        (crew, ends)
    }

    fn registers(end: &Receiver<Order>) -> Option<Vec<u8>> {
        match end.try_recv() {
            Ok(Order::Go((_, context))) => Some(context),
            _ => None,
        }
    }

    #[test]
    fn those_who_run_or_wait_for_a_futex_are_interrupted_and_those_in_other_calls_are_not() {
        let (mut crew, _ends) = crew(&[(1, Some(1)), (2, Some(2)), (3, Some(3)), (4, Some(4))]);
        crew.falls_asleep(3, Sleep::Moves);
        crew.falls_asleep(4, Sleep::Stays);
        assert_eq!(crew.stop(1), [2, 3]);
        crew.stands(2, vec![2]);
        assert!(!crew.all_stand(1), "3 can be interrupted, and was not yet");
        crew.wakes(3);
        crew.stands(3, vec![3]);
        assert!(crew.all_stand(1));
        assert_eq!(crew.leave(true), [(2, vec![2]), (3, vec![3])]);
        assert!(!crew.is_stopping());
    }

    #[test]
    fn a_call_that_returns_while_the_others_stop_is_waited_for() {
        let (mut crew, _ends) = crew(&[(1, Some(1)), (2, Some(2))]);
        crew.falls_asleep(2, Sleep::Stays);
        assert_eq!(crew.stop(1), []);
        crew.wakes(2);
        assert!(!crew.all_stand(1));
    }

    #[test]
    fn at_home_each_goes_on_as_itself_and_on_a_peer_anybody_hosts_anyone() {
        let (mut home, ends) = crew(&[(1, Some(1)), (2, Some(2)), (3, Some(3))]);
        assert_eq!(home.seat(NodeId::HOME, (3, vec![33])), Ok(()));
        assert_eq!(home.seat(NodeId::HOME, (9, vec![9])), Err((9, vec![9])));
        assert_eq!((registers(&ends[1]), registers(&ends[2])), (None, Some(vec![33])));

        let (mut peer, ends) = crew(&[(71, None), (72, None)]);
        peer.takes(71, 1);
        assert_eq!(peer.seat(PEER, (3, vec![33])), Ok(()));
        assert_eq!(peer.seat(PEER, (2, vec![22])), Err((2, vec![22])), "nobody is left to host it");
        assert_eq!(registers(&ends[1]), Some(vec![33]));
        assert_eq!(peer.stop(71), [72]);
        peer.stands(72, vec![34]);
        assert_eq!(peer.leave(false), [(3, vec![34])]);
        assert_eq!(peer.stop(71), [], "who hosts nobody stands anyway");
    }

    #[test]
    fn a_thread_that_goes_home_alone_stays_there_when_the_others_come_and_go() {
        let (mut peer, ends) = crew(&[(71, Some(1)), (72, Some(2))]);
        peer.vacates(72);
        assert_eq!(peer.stop(71), [], "nobody runs on it");
        assert_eq!(peer.leave(false), []);
        assert_eq!(peer.seat(PEER, (3, vec![33])), Ok(()));
        assert!(registers(&ends[0]).or(registers(&ends[1])).is_some(), "it can host again");

        let (mut home, ends) = crew(&[(1, Some(1)), (2, Some(2))]);
        home.stands(2, vec![2]);
        assert_eq!(home.leave(true), [(2, vec![2])]);
        assert!(home.sends_to_sleep(2, Sleeper::default()));
        assert!(matches!(ends[1].try_recv(), Ok(Order::Sleep(_))));
        assert!(!home.sends_to_sleep(2, Sleeper::default()), "it sleeps already");
        assert!(!home.sends_to_sleep(9, Sleeper::default()), "there is no such thread");
        assert_eq!(home.stop(1), [], "its call stays");
        assert!(home.all_stand(1));
        assert_eq!(home.leave(true), [], "it does not come along");
        assert!(home.may_move(), "nor does it keep the others");
        home.wakes(2);
        assert_eq!(home.stop(1), [2]);
    }

    #[test]
    fn nobody_leaves_while_one_waits_for_what_only_home_has() {
        let (mut crew, _ends) = crew(&[(1, Some(1)), (2, Some(2))]);
        crew.falls_asleep(2, Sleep::Moves);
        assert!(crew.may_move());
        crew.hold_sleepers();
        assert!(!crew.may_move());
        crew.wakes(2);
        crew.anchor();
        assert!(!crew.may_move());
        crew.weigh();
        assert!(crew.may_move());
    }

    #[test]
    fn a_jump_that_is_called_off_lets_all_go_on_with_what_they_had() {
        let (mut crew, ends) = crew(&[(1, Some(1)), (2, Some(2))]);
        crew.stop(1);
        crew.stands(2, vec![2]);
        crew.go_on();
        assert_eq!((crew.is_stopping(), registers(&ends[1])), (false, Some(vec![2])));
    }

    #[test]
    fn a_forked_child_has_one_thread() {
        let (mut crew, _ends) = crew(&[(1, Some(1)), (2, Some(2))]);
        crew.anchor();
        crew.keep_only(2, 50);
        assert!(!crew.is_several() && crew.may_move());
        crew.falls_asleep(50, Sleep::Anchors);
        assert!(!crew.may_move(), "it goes by its new number");
    }
}
