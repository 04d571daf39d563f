//! Home's side: a daemon that answers becomes a node of the run. The program stands in a trap meanwhile, or its threads wait for the lock.

use std::net::SocketAddr;

use eos_verbs::NodeId;

use super::Errand;
use super::meet::book;
use crate::RunError;
use crate::cluster::ClusterError;
use crate::cluster::hosts::{HostSpec, same_daemon};
use crate::cluster::messages::{Introduction, LinkReport, encode};
use crate::cluster::stretch::{Link, Peer};
use crate::config::PeerChoice;
use crate::executor::{Executor, House};
use crate::jump::{compare_clocks, messages};
use crate::low_fds::LowFds;
use crate::peers::watchdog;
use crate::say::say;

impl Executor {
    /// At home, where the program executes: does what waits. Hosts that cannot join are left to the watching thread.
    ///
    /// # Errors
    /// A wire of the run failed.
    pub(crate) fn receive_newcomers(&mut self, house: &House) -> Result<(), RunError> {
        if !self.at_home() {
            return Ok(());
        }
        // As long as peers have not been looked for at all, nobody can be linked to them.
        if self.pager.is_to_stretch() {
            house.newcomers.put_off().into_iter().for_each(|spec| self.is_known(spec));
            return Ok(());
        }
        for errand in house.newcomers.take() {
            match errand {
                Errand::Retire(spec, gone) => self.retire(&spec, gone)?,
                Errand::Join(spec, address) => match self.join_newcomer(&spec, address) {
                    Ok(()) => self.is_joined(spec),
                    Err(RunError::Cluster(error)) => house.newcomers.lock().failed.push((spec, error.to_string())),
                    Err(error) => return Err(error),
                },
            }
        }
        self.note_late_peers(&house.recall);
        Ok(())
    }

    fn is_joined(&mut self, spec: HostSpec) {
        let name = &self.pager.nodes[self.pager.nodes.len() - 1].name;
        say(format_args!("{name} has joined as node {}", self.pager.nodes.len() - 1));
        self.is_known(spec);
    }

    /// Programs that this one executes or forks know the peer too.
    fn is_known(&mut self, spec: HostSpec) {
        if let Some(PeerChoice::Hosts(hosts)) = self.home.as_mut().map(|home| &mut home.options.peers)
            && !hosts.iter().any(|host| same_daemon(host, &spec))
        {
            hosts.push(spec);
        }
    }

    /// A peer's line is gone, or has come back.
    fn retire(&mut self, spec: &HostSpec, gone: bool) -> Result<(), RunError> {
        let name = spec.to_string();
        let named = (1..self.pager.nodes.len()).find(|node| self.pager.nodes[*node].name == name);
        if let Some(node) = named {
            self.pager.retire(NodeId(node as u8), gone)?;
        }
        if let Some(PeerChoice::Hosts(hosts)) = self.home.as_mut().map(|home| &mut home.options.peers) {
            hosts.retain(|host| !same_daemon(host, spec));
            if !gone {
                hosts.push(spec.clone());
            }
        }
        Ok(())
    }

    fn join_newcomer(&mut self, spec: &HostSpec, address: SocketAddr) -> Result<(), RunError> {
        let alarms = self.home.as_ref().map(|home| home.alarms.clone());
        let alarms = alarms.ok_or(RunError::Internal("only home has peers"))?;
        let low_fds = LowFds::reserve().map_err(RunError::Descriptors)?;
        let mut state = alarms.lock();
        let cluster = state.cluster.as_mut().ok_or(RunError::Internal("a run without daemons has no newcomers"))?;
        let (peer, link) = cluster.call_newcomer(spec, address)?;
        let introduction = cluster.introduction_of(&peer);
        let linked = self.introduce(&peer, link, &introduction, &cluster.topology_with(&peer));
        let Ok((mut link, among)) = linked else {
            return linked.map(|_| ());
        };
        let node = book(&introduction.node, self.jumps);
        self.compress.apply(link.as_mut());
        state.watchdogs.push(watchdog(vec![peer.sign_of_life()?, peer.other_end(link.as_ref())?])?);
        state.transport_reasons.push(peer.transport_reason.clone());
        state.doors.push(peer.door()?);
        if let Some(cluster) = state.cluster.as_mut() {
            cluster.keep(peer, among);
        }
        self.pager.join([(node, link)]);
        let number = NodeId((self.pager.nodes.len() - 1) as u8);
        compare_clocks(&mut self.pager, number)?;
        let late = low_fds.release().map_err(RunError::Descriptors)?;
        state.late_fds.get_or_insert_default().extend(late);
        Ok(())
    }

    /// Links all other workers to the newcomer, and waits until it has all its links. If that fails the others forget it again.
    fn introduce(
        &mut self,
        peer: &Peer,
        mut link: Link,
        introduction: &Introduction,
        topology: &[u8],
    ) -> Result<(Link, Vec<(NodeId, LinkReport)>), RunError> {
        let others: Vec<NodeId> = (1..self.pager.nodes.len()).map(|node| NodeId(node as u8)).collect();
        link.send(&[topology]).map_err(ClusterError::from)?;
        let mut among = Vec::new();
        let mut failed = None;
        for other in &others {
            self.send(*other, &[&[messages::NEWCOMER], &encode(introduction)])?;
            let reply = self.pager.wait_reply(*other, messages::NEWCOMER_REPLY)?;
            match postcard::from_bytes::<Result<LinkReport, String>>(&reply[1..]) {
                Ok(Ok(report)) => among.push((*other, report)),
                Ok(Err(why)) => {
                    failed = Some(format!("{} cannot be linked to it: {why}", self.pager.nodes[other.index()].name))
                }
                Err(_) => return Err(RunError::Internal("a worker's answer about a newcomer makes no sense")),
            }
            if failed.is_some() {
                break;
            }
        }
        let mut links = vec![None, Some(link)];
        let ready = match failed {
            Some(what) => Err(peer.failed(what)),
            None => peer.wait_until_ready(&mut links),
        };
        let seated = u8::from(ready.is_ok());
        for other in others {
            self.send(other, &[&[messages::SEATED, seated]])?;
            self.pager.wait_reply(other, messages::SEATED_REPLY)?;
        }
        ready?;
        let link = links.pop().flatten().ok_or(RunError::Internal("a newcomer's link is gone"))?;
        Ok((link, among))
    }
}
