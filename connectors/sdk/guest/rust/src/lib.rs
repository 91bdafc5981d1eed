//! Write a Millstream plugin in Rust: implement [`Plugin`] and the traits of the roles it plays, then [`export!`] it.
//!
//! ```ignore
//! struct Loud;
//!
//! impl Plugin for Loud {
//!     type Source = Nothing;
//!     type Sink = Nothing;
//!     type Transform = Loud;
//!     fn describe() -> Description {
//!         Description::new("loud", "0.1.0").transform("Keeps what is loud.", r#"{"type":"object"}"#)
//!     }
//! }
//!
//! impl Transform for Loud {
//!     fn configure(_config: &str, _at: &Place) -> Result<Loud, Error> {
//!         Ok(Loud)
//!     }
//!     fn apply(&mut self, records: &Batch) -> Result<Transformed, Error> {
//!         Ok(Transformed::keep(records, |record| record.value.is_some_and(|value| value.ends_with(b"!"))))
//!     }
//! }
//!
//! millstream_guest::export!(Loud);
//! ```
//!
//! One instance is called by one call at a time. A panic stops it: the host names the plugin and the message, and
//! starts a new instance from the last committed position.

mod batch;

mod error;

mod export;

pub mod host;

mod plugin;

pub use batch::{Batch, BatchBuilder, Headers, Record};
pub use error::{Error, ErrorClass};
pub use export::Component;
pub use plugin::{
    Capability, Delivery, Description, Diagnostic, Nothing, Place, Plugin, PollLimits, Polled, Position, Reader,
    Role, Sink, SinkBatch, Source, Split, TopicPartition, Transform, Transformed, Written,
};

/// What the contract's file becomes; [`export!`] needs its names.
#[doc(hidden)]
#[allow(clippy::all, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "connector",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "millstream_guest::bindings",
    });
}

/// Makes a type that implements [`Plugin`] the plugin of this component.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        type MillstreamComponent = $crate::Component<$plugin>;
        $crate::bindings::export_component!(MillstreamComponent with_types_in $crate::bindings);
    };
}
