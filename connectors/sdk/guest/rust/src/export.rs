//! Between the generated traits and the ones that people implement. Panics are told to the host's log first.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::bindings::exports::millstream::connect::{plugin, sink, source, transform};
use crate::bindings::millstream::connect::{log, types};
use crate::{Batch, Plugin, Reader, Sink, SinkBatch, Source, Transform};

/// The component made of a plugin; see [`crate::export!`].
pub struct Component<P>(PhantomData<P>);

/// An instance of a role. Calls come one at a time, so a borrow never meets another.
pub struct Instance<T>(RefCell<T>);

impl<T> Instance<T> {
    fn new(role: T) -> Instance<T> {
        Instance(RefCell::new(role))
    }
}

/// The first call of an instance; a panic's message would otherwise be lost with it.
fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| log::write(log::Level::Error, &format!("plugin panicked: {panic}"))));
}

impl<P: Plugin> plugin::Guest for Component<P> {
    fn describe() -> plugin::Description {
        tell_panics();
        P::describe().parts
    }

    fn validate(role: plugin::Role, config: String) -> Vec<plugin::Diagnostic> {
        tell_panics();
        P::validate(role, &config)
    }
}

impl<P: Plugin> source::Guest for Component<P> {
    type Source = Instance<P::Source>;
    type Reader = Instance<<P::Source as Source>::Reader>;
}

impl<S: Source> source::GuestSource for Instance<S> {
    fn configure(config: String, at: types::Place) -> Result<source::Source, types::Error> {
        tell_panics();
        Ok(source::Source::new(Instance::new(S::configure(&config, &at)?)))
    }

    fn is_bounded(&self) -> bool {
        self.0.borrow().is_bounded()
    }

    fn splits(&self) -> Result<Vec<source::Split>, types::Error> {
        Ok(self.0.borrow().splits()?)
    }

    fn open(&self, split: source::Split, position: Option<Vec<u8>>) -> Result<source::Reader, types::Error> {
        Ok(source::Reader::new(Instance::new(self.0.borrow().open(split, position)?)))
    }
}

impl<R: Reader> source::GuestReader for Instance<R> {
    fn poll(&self, limits: source::PollLimits) -> Result<source::Polled, types::Error> {
        let polled = self.0.borrow_mut().poll(limits)?;
        Ok(source::Polled {
            records: polled.records.into_parts(),
            position: polled.position,
            end_of_split: polled.end_of_split,
            lag_bytes: polled.lag_bytes,
        })
    }

    fn committed(&self, position: Vec<u8>) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().committed(position)?)
    }

    fn close(&self) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().close()?)
    }
}

impl<P: Plugin> sink::Guest for Component<P> {
    type Sink = Instance<P::Sink>;
}

impl<S: Sink> sink::GuestSink for Instance<S> {
    fn configure(config: String, at: types::Place) -> Result<sink::Sink, types::Error> {
        tell_panics();
        Ok(sink::Sink::new(Instance::new(S::configure(&config, &at)?)))
    }

    fn open(&self, partitions: Vec<sink::TopicPartition>) -> Result<Vec<sink::Position>, types::Error> {
        Ok(self.0.borrow_mut().open(partitions)?)
    }

    fn write(&self, batch: sink::SinkBatch) -> Result<sink::Written, types::Error> {
        let sink::SinkBatch { topic, partition, offsets, records } = batch;
        let batch = SinkBatch { topic, partition, offsets, records: Batch::of(records) };
        let written = self.0.borrow_mut().write(&batch)?;
        Ok(sink::Written { durable: written.durable, rejected: written.rejected })
    }

    fn commit(&self, positions: Vec<sink::Position>) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().commit(positions)?)
    }

    fn close(&self) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().close()?)
    }
}

impl<P: Plugin> transform::Guest for Component<P> {
    type Transform = Instance<P::Transform>;
}

impl<T: Transform> transform::GuestTransform for Instance<T> {
    fn configure(config: String, at: types::Place) -> Result<transform::Transform, types::Error> {
        tell_panics();
        Ok(transform::Transform::new(Instance::new(T::configure(&config, &at)?)))
    }

    fn apply(&self, records: types::Batch) -> Result<transform::Transformed, types::Error> {
        Ok(self.0.borrow_mut().apply(&Batch::of(records))?.parts)
    }
}
