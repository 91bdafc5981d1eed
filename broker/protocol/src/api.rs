//! What every message can do, and how requests, responses and API keys belong together.

use thiserror::Error;

use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, RequestKind, ResponseKind};

/// A structure with a Kafka wire form that depends on a version.
pub trait Message: Sized + Send + Sync + 'static {
    /// Appends the wire form of `version`.
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError>;

    /// Reads the wire form of `version`; record bytes stay slices of the decoder's buffer.
    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError>;
}

/// The request half of an API.
pub trait Request: Message + Into<RequestKind> {
    /// The API that it belongs to.
    const KEY: ApiKey;
    /// Lowest version that can be encoded and decoded.
    const MIN_VERSION: i16;
    /// Highest version that can be encoded and decoded.
    const MAX_VERSION: i16;
    /// What a broker answers.
    type Response: Response;
}

/// The response half of an API.
pub trait Response: Message + Into<ResponseKind> + TryFrom<ResponseKind, Error = UnexpectedKind> {
    /// The API that it belongs to.
    const KEY: ApiKey;
}

/// A number that names no known API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no api has the key {0}")]
pub struct UnknownApiKey(pub i16);

/// A request or response of another API than the one asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a message of {}, found one of {}", expected.name(), found.name())]
pub struct UnexpectedKind {
    /// The API that the caller named.
    pub expected: ApiKey,
    /// The API that the message belongs to.
    pub found: ApiKey,
}

/// Conversions between the enum over all APIs and each message in it.
macro_rules! kind_conversions {
    ($kind:ident: $($api:ident($message:ident)),* $(,)?) => {
        $(
            impl From<$message> for $kind {
                fn from(message: $message) -> Self {
                    Self::$api(message)
                }
            }

            impl TryFrom<$kind> for $message {
                type Error = $crate::UnexpectedKind;

                fn try_from(kind: $kind) -> Result<Self, $crate::UnexpectedKind> {
                    match kind {
                        $kind::$api(message) => Ok(message),
                        other => Err($crate::UnexpectedKind {
                            expected: $crate::ApiKey::$api,
                            found: other.key(),
                        }),
                    }
                }
            }
        )*
    };
}

pub(crate) use kind_conversions;
