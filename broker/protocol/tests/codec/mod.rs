//! The codec as others see it: messages, batches and error codes, against definitions, oracle and attackers.

mod error_codes;
mod hostile;
mod messages;
mod oracle;
mod random;
mod record_batches;
mod wire;
