// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Sets and deletes users' SCRAM credentials (KIP-554).

use bytes::Bytes;

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterUserScramCredentialsRequest {
    pub deletions: Vec<ScramCredentialDeletion>,
    pub upsertions: Vec<ScramCredentialUpsertion>,
}

impl Message for AlterUserScramCredentialsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("AlterUserScramCredentialsRequest", version, 0, 0)?;
        to.at("AlterUserScramCredentialsRequest.deletions");
        to.array(&self.deletions, true, |to, item| item.encode(to, version))?;
        to.at("AlterUserScramCredentialsRequest.upsertions");
        to.array(&self.upsertions, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "AlterUserScramCredentialsRequest", version, 0, 0)?;
        from.at("AlterUserScramCredentialsRequest.deletions");
        let deletions = from.array(true, 3, |from| ScramCredentialDeletion::decode(from, version))?;
        from.at("AlterUserScramCredentialsRequest.upsertions");
        let upsertions = from.array(true, 9, |from| ScramCredentialUpsertion::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { deletions, upsertions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScramCredentialDeletion {
    pub name: String,
    pub mechanism: i8,
}

impl Message for ScramCredentialDeletion {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("ScramCredentialDeletion.name");
        to.string(&self.name, true)?;
        to.i8(self.mechanism);
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("ScramCredentialDeletion.name");
        let name = from.string(true)?;
        from.at("ScramCredentialDeletion.mechanism");
        let mechanism = from.i8()?;
        from.skip_tags()?;
        Ok(Self { name, mechanism })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScramCredentialUpsertion {
    pub name: String,
    pub mechanism: i8,
    pub iterations: i32,
    pub salt: Bytes,
    pub salted_password: Bytes,
}

impl Message for ScramCredentialUpsertion {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("ScramCredentialUpsertion.name");
        to.string(&self.name, true)?;
        to.i8(self.mechanism);
        to.i32(self.iterations);
        to.at("ScramCredentialUpsertion.salt");
        to.bytes(&self.salt, true)?;
        to.at("ScramCredentialUpsertion.salted_password");
        to.bytes(&self.salted_password, true)?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("ScramCredentialUpsertion.name");
        let name = from.string(true)?;
        from.at("ScramCredentialUpsertion.mechanism");
        let mechanism = from.i8()?;
        from.at("ScramCredentialUpsertion.iterations");
        let iterations = from.i32()?;
        from.at("ScramCredentialUpsertion.salt");
        let salt = from.bytes(true)?;
        from.at("ScramCredentialUpsertion.salted_password");
        let salted_password = from.bytes(true)?;
        from.skip_tags()?;
        Ok(Self { name, mechanism, iterations, salt, salted_password })
    }
}

impl Request for AlterUserScramCredentialsRequest {
    const KEY: ApiKey = ApiKey::AlterUserScramCredentials;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;
    type Response = crate::messages::AlterUserScramCredentialsResponse;
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterUserScramCredentialsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<AlterUserScramCredentialsResult>,
}

impl Message for AlterUserScramCredentialsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("AlterUserScramCredentialsResponse", version, 0, 0)?;
        to.i32(self.throttle_time_ms);
        to.at("AlterUserScramCredentialsResponse.results");
        to.array(&self.results, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "AlterUserScramCredentialsResponse", version, 0, 0)?;
        from.at("AlterUserScramCredentialsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("AlterUserScramCredentialsResponse.results");
        let results = from.array(true, 5, |from| AlterUserScramCredentialsResult::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { throttle_time_ms, results })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterUserScramCredentialsResult {
    pub user: String,
    pub error_code: i16,
    pub error_message: Option<String>,
}

impl Message for AlterUserScramCredentialsResult {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("AlterUserScramCredentialsResult.user");
        to.string(&self.user, true)?;
        to.i16(self.error_code);
        to.at("AlterUserScramCredentialsResult.error_message");
        to.nullable_string(self.error_message.as_deref(), true, true)?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("AlterUserScramCredentialsResult.user");
        let user = from.string(true)?;
        from.at("AlterUserScramCredentialsResult.error_code");
        let error_code = from.i16()?;
        from.at("AlterUserScramCredentialsResult.error_message");
        let error_message = from.nullable_string(true, true)?;
        from.skip_tags()?;
        Ok(Self { user, error_code, error_message })
    }
}

impl Response for AlterUserScramCredentialsResponse {
    const KEY: ApiKey = ApiKey::AlterUserScramCredentials;
}
