//! A member of the simulated group: behaves as a consumer does, but crashes, pauses and loses answers.

use std::collections::BTreeSet;

use millstream_broker::coordinator::RequestId;
use millstream_broker::coordinator::group::{HeartbeatError, JoinError, Joined, Reply, SyncError};

use super::group::{World, decode};

#[derive(Debug)]
pub struct Client {
    pub name: String,
    pub member_id: String,
    pub instance_id: Option<String>,
    pub skips_assignment: bool,
    pub generation: i32,
    pub owned: BTreeSet<i32>,
    /// Places in generations it had, for requests that the network delivers late.
    past: Vec<(String, i32)>,
    doing: Doing,
    /// When it gives up waiting for an answer.
    patience_ms: i64,
}

#[derive(Debug)]
enum Doing {
    Outside,
    Joining(RequestId),
    Syncing(RequestId, Joined),
    Working {
        commit: Option<(RequestId, i32, i64)>,
        heartbeat: Option<RequestId>,
    },
    /// Says nothing for a while: its session may end.
    Paused {
        until_ms: i64,
    },
}

impl Client {
    pub fn new(number: usize, is_static: bool) -> Client {
        Client {
            name: format!("c{number}"),
            member_id: String::new(),
            instance_id: is_static.then(|| format!("i{number}")),
            skips_assignment: number == 1,
            generation: -1,
            owned: BTreeSet::new(),
            past: Vec::new(),
            doing: Doing::Outside,
            patience_ms: 0,
        }
    }

    /// Ends a pause: from now on it behaves.
    pub fn recover(&mut self) {
        if matches!(self.doing, Doing::Paused { .. }) {
            self.doing = Doing::Outside;
        }
    }

    pub fn act(&mut self, world: &mut World) {
        if !world.calm && self.has_accident(world) {
            return;
        }
        match std::mem::replace(&mut self.doing, Doing::Outside) {
            Doing::Outside => self.join(world),
            Doing::Joining(request) => self.await_join(world, request),
            Doing::Syncing(request, joined) => self.await_sync(world, request, joined),
            Doing::Working { commit, heartbeat } => self.work(world, commit, heartbeat),
            Doing::Paused { until_ms } if world.now_ms < until_ms => self.doing = Doing::Paused { until_ms },
            // It does not know that time has passed.
            Doing::Paused { .. } => self.doing = Doing::Working { commit: None, heartbeat: None },
        }
    }

    fn has_accident(&mut self, world: &mut World) -> bool {
        match world.random.below(200) {
            4..8 if !self.past.is_empty() => {
                let (member_id, generation) = self.past[world.random.below(self.past.len())].clone();
                // Nobody waits for the answer to a commit that was sent long ago.
                world.commit(self, (&member_id, generation), 0);
                true
            }
            // The process dies and starts again without its member id.
            0..2 => {
                self.forget();
                self.doing = Doing::Outside;
                true
            }
            2 => {
                world.leave(self);
                self.forget();
                self.doing = Doing::Outside;
                true
            }
            3 if matches!(self.doing, Doing::Working { .. }) => {
                self.doing = Doing::Paused { until_ms: world.now_ms + 25_000 };
                true
            }
            _ => false,
        }
    }

    fn forget(&mut self) {
        self.member_id.clear();
        self.generation = -1;
        self.owned.clear();
    }

    fn join(&mut self, world: &mut World) {
        self.owned.clear();
        let request = world.join(self);
        self.patience_ms = world.now_ms + 45_000;
        self.doing = Doing::Joining(request);
    }

    fn await_join(&mut self, world: &mut World, request: RequestId) {
        match world.replies.remove(&request) {
            Some(Reply::Join(Ok(joined))) => {
                self.member_id.clone_from(&joined.member_id);
                self.generation = joined.generation;
                let request = world.sync(self, &joined);
                self.patience_ms = world.now_ms + 45_000;
                self.doing = Doing::Syncing(request, joined);
            }
            Some(Reply::Join(Err(refused))) => match refused.error {
                JoinError::MemberIdRequired => self.member_id = refused.member_id,
                JoinError::UnknownMember | JoinError::FencedInstance => self.forget(),
                _ => {}
            },
            Some(other) => panic!("a join was answered with {other:?}"),
            None if world.now_ms < self.patience_ms => self.doing = Doing::Joining(request),
            None => {}
        }
    }

    fn await_sync(&mut self, world: &mut World, request: RequestId, joined: Joined) {
        match world.replies.remove(&request) {
            Some(Reply::Sync(Ok(synced))) => {
                self.past.push((joined.member_id.clone(), joined.generation));
                world.check_assignment(self, joined.generation, &synced.assignment);
                self.owned = decode(&synced.assignment);
                self.doing = Doing::Working { commit: None, heartbeat: None };
            }
            Some(Reply::Sync(Err(SyncError::UnknownMember | SyncError::FencedInstance))) => self.forget(),
            Some(Reply::Sync(Err(_))) => {}
            Some(other) => panic!("a sync was answered with {other:?}"),
            None if world.now_ms < self.patience_ms => self.doing = Doing::Syncing(request, joined),
            None => {}
        }
    }

    fn work(
        &mut self,
        world: &mut World,
        commit: Option<(RequestId, i32, i64)>,
        heartbeat: Option<RequestId>,
    ) {
        let commit = commit.filter(|(request, partition, offset)| match world.replies.remove(request) {
            Some(Reply::Commit(results)) => {
                if results[0].1.is_ok() {
                    world.acknowledged(*partition, *offset);
                }
                false
            }
            Some(other) => panic!("a commit was answered with {other:?}"),
            None => true,
        });
        if let Some(request) = heartbeat {
            match world.replies.remove(&request) {
                Some(Reply::Heartbeat(Ok(()))) | None => {}
                Some(Reply::Heartbeat(Err(error))) => {
                    if matches!(error, HeartbeatError::UnknownMember | HeartbeatError::FencedInstance) {
                        self.forget();
                    }
                    // Whatever it is, the way back is a join.
                    return;
                }
                Some(other) => panic!("a heartbeat was answered with {other:?}"),
            }
        }
        let choice = world.random.below(3);
        let partition = self.owned.iter().nth(world.random.below(self.owned.len().max(1))).copied();
        let commit = match (commit, partition) {
            (None, Some(partition)) if choice > 0 => {
                let (request, offset) = world.commit(self, (&self.member_id, self.generation), partition);
                Some((request, partition, offset))
            }
            // An answer that got lost is not waited for for ever.
            (waiting, _) => waiting.filter(|_| choice > 0),
        };
        let heartbeat = Some(world.heartbeat(self));
        self.doing = Doing::Working { commit, heartbeat };
    }
}
