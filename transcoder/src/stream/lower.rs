//! The lower renditions: one GStreamer child, and a follower for each rung it makes.
//!
//! Owns the connection to the child and which follower gets what it sends. How a rung is fitted into the source's segments
//! is in [`rung`].

pub(crate) mod rung;

use std::sync::Arc;

use bytes::Bytes;
use media::playlist::RenditionReport;
use media::{Sample, VIDEO_TIMESCALE};
use tokio::sync::mpsc;

use super::publisher::{Cutting, Pace};
use super::rendition::{Rendition, Shop};
use crate::worker::{Mask, Permit, WorkerEvent, WorkerInput};
use rung::Follower;

/// What came of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Nothing,
    /// Something was published.
    News,
    Thumbnail(Bytes),
    Tile {
        pts: i64,
        jpeg: Bytes,
    },
    /// Other rungs run from now on.
    Changed(Mask),
    /// The child will not come back, for this reason.
    Over(String),
}

pub(crate) struct Lower {
    cutting: Cutting,
    input: Option<WorkerInput>,
    events: Option<mpsc::Receiver<WorkerEvent>>,
    permit: Option<Arc<Permit>>,
    /// Every rung the stream has had, tallest first within a child's.
    followers: Vec<Follower>,
    /// The child's rungs, in its order, as places in `followers`.
    rungs: Vec<usize>,
    first_init: u32,
}

impl Lower {
    pub(crate) fn new(cutting: Cutting, first_init: u32) -> Self {
        Self { cutting, input: None, events: None, permit: None, followers: Vec::new(), rungs: Vec::new(), first_init }
    }

    /// Connects a child that makes the named rungs. One that was there before is let go.
    pub(crate) fn attach(
        &mut self,
        input: WorkerInput,
        events: mpsc::Receiver<WorkerEvent>,
        permit: Arc<Permit>,
        names: &[&'static str],
    ) {
        (self.input, self.events) = (Some(input), Some(events));
        self.followers.iter_mut().for_each(|follower| follower.want(false));
        self.rungs = names.iter().map(|name| self.place_of(name)).collect();
        self.want(permit.mask());
        self.permit = Some(permit);
    }

    fn want(&mut self, running: Mask) {
        for (rung, place) in self.rungs.iter().enumerate() {
            if let Some(follower) = self.followers.get_mut(*place) {
                follower.want(running.has(rung));
            }
        }
    }

    fn place_of(&mut self, name: &'static str) -> usize {
        self.followers.iter().position(|follower| follower.name() == name).unwrap_or_else(|| {
            self.followers.push(Follower::new(name, self.cutting, self.first_init));
            self.followers.len() - 1
        })
    }

    /// The CPU that is set aside for this stream.
    pub(crate) fn permit(&self) -> Option<&Arc<Permit>> {
        self.permit.as_ref()
    }

    /// Whether the child may have last pictures to give.
    pub(crate) fn is_draining(&self) -> bool {
        self.events.is_some()
    }

    pub(crate) fn has_child(&self) -> bool {
        self.input.is_some()
    }

    /// Gives up the child and the CPU that was set aside for it.
    pub(crate) fn release(&mut self) {
        (self.input, self.events, self.permit) = (None, None, None);
    }

    /// Goes on without a child: the rungs are no longer offered.
    pub(crate) fn give_up(&mut self, shop: &mut Shop, pace: &Pace) {
        self.release();
        for follower in &mut self.followers {
            follower.want(false);
            follower.abandon(shop, pace);
        }
    }

    /// No more input: the child gives its last pictures and goes.
    pub(crate) fn finish_input(&mut self) {
        self.input = None;
    }

    /// Every rung the stream has had.
    pub(crate) fn followers(&self) -> impl Iterator<Item = &Follower> {
        self.followers.iter()
    }

    pub(crate) fn renditions(&self) -> impl Iterator<Item = &Rendition> {
        self.followers.iter().filter_map(Follower::rendition)
    }

    pub(crate) fn offer(&mut self, sample: &Sample) {
        if let Some(input) = &mut self.input {
            input.offer(sample.dts, sample.pts(), sample.is_sync, sample.data.clone());
        }
    }

    /// The child's next event; never, without a child.
    pub(crate) async fn next(&mut self) -> Option<WorkerEvent> {
        match &mut self.events {
            Some(events) => events.recv().await,
            None => std::future::pending().await,
        }
    }

    pub(crate) fn take(&mut self, event: Option<WorkerEvent>, shop: &mut Shop, pace: &Pace) -> Came {
        match event {
            Some(WorkerEvent::Config { rung, codec_data }) => {
                if let Some(follower) = self.follower(rung) {
                    follower.configure(&codec_data, shop, pace);
                }
                Came::Nothing
            }
            Some(WorkerEvent::Unit { rung, dts, pts, is_sync, data }) => {
                let Some(follower) = self.follower(rung) else { return Came::Nothing };
                if follower.take(dts, pts, is_sync, data, shop, pace) { Came::News } else { Came::Nothing }
            }
            Some(WorkerEvent::Thumbnail(jpeg)) => Came::Thumbnail(jpeg),
            Some(WorkerEvent::Tile { pts, jpeg }) => Came::Tile { pts, jpeg },
            Some(WorkerEvent::Rungs { running }) => {
                self.want(running);
                for place in
                    self.rungs.iter().enumerate().filter(|(rung, _)| !running.has(*rung)).map(|(_, place)| *place)
                {
                    self.followers[place].abandon(shop, pace);
                }
                Came::Changed(running)
            }
            // It comes back by itself; whether its pictures left a hole shows then.
            Some(WorkerEvent::Lost { .. }) => Came::Nothing,
            Some(WorkerEvent::GaveUp { .. }) => {
                self.give_up(shop, pace);
                Came::Over("the GStreamer process keeps failing".to_owned())
            }
            Some(WorkerEvent::Unable { reason }) => {
                self.give_up(shop, pace);
                Came::Over(reason)
            }
            None => {
                (self.input, self.events) = (None, None);
                Came::Nothing
            }
        }
    }

    fn follower(&mut self, rung: usize) -> Option<&mut Follower> {
        self.followers.get_mut(*self.rungs.get(rung)?)
    }

    /// The source has begun a new segment.
    pub(crate) fn leader_cut(&mut self, shop: &mut Shop, pace: &Pace) {
        self.followers.iter_mut().for_each(|follower| follower.leader_cut(shop, pace));
    }

    /// The source's period has ended for good: nothing more of it will come.
    pub(crate) fn close(&mut self, shop: &mut Shop, pace: &Pace) {
        self.followers.iter_mut().for_each(|follower| follower.close(shop, pace));
    }

    /// A new period of the source has begun; the old one was closed before.
    pub(crate) fn begin_period(&mut self) {
        self.followers.iter_mut().for_each(Follower::begin_period);
    }

    /// Hangs out what is new. `others` are the reports of all renditions but the named one.
    pub(crate) fn hang_out(&mut self, others: impl Fn(&str) -> Vec<RenditionReport>, shop: &Shop, pace: &Pace) {
        for follower in &mut self.followers {
            if follower.is_dirty() {
                follower.hang_out(others(follower.name()), shop, pace);
            }
        }
    }

    pub(crate) fn end(&mut self) {
        self.release();
        self.followers.iter_mut().for_each(Follower::end);
    }
}

const _: () = assert!(VIDEO_TIMESCALE as i64 == crate::worker::TICKS_PER_SECOND);
