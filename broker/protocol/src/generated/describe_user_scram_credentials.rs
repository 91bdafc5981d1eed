// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Lists users' SCRAM mechanisms, never the secrets (KIP-554).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeUserScramCredentialsRequest {
    pub users: Option<Vec<UserName>>,
}

impl Message for DescribeUserScramCredentialsRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("DescribeUserScramCredentialsRequest", version, 0, 0)?;
        to.at("DescribeUserScramCredentialsRequest.users");
        to.nullable_array(self.users.as_deref(), true, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "DescribeUserScramCredentialsRequest", version, 0, 0)?;
        from.at("DescribeUserScramCredentialsRequest.users");
        let users = from.nullable_array(true, true, 2, |from| UserName::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { users })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct UserName {
    pub name: String,
}

impl Message for UserName {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("UserName.name");
        to.string(&self.name, true)?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("UserName.name");
        let name = from.string(true)?;
        from.skip_tags()?;
        Ok(Self { name })
    }
}

impl Request for DescribeUserScramCredentialsRequest {
    const KEY: ApiKey = ApiKey::DescribeUserScramCredentials;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;
    type Response = crate::messages::DescribeUserScramCredentialsResponse;
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeUserScramCredentialsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub results: Vec<DescribeUserScramCredentialsResult>,
}

impl Message for DescribeUserScramCredentialsResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("DescribeUserScramCredentialsResponse", version, 0, 0)?;
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.at("DescribeUserScramCredentialsResponse.error_message");
        to.nullable_string(self.error_message.as_deref(), true, true)?;
        to.at("DescribeUserScramCredentialsResponse.results");
        to.array(&self.results, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "DescribeUserScramCredentialsResponse", version, 0, 0)?;
        from.at("DescribeUserScramCredentialsResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("DescribeUserScramCredentialsResponse.error_code");
        let error_code = from.i16()?;
        from.at("DescribeUserScramCredentialsResponse.error_message");
        let error_message = from.nullable_string(true, true)?;
        from.at("DescribeUserScramCredentialsResponse.results");
        let results =
            from.array(true, 6, |from| DescribeUserScramCredentialsResult::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { throttle_time_ms, error_code, error_message, results })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeUserScramCredentialsResult {
    pub user: String,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub credential_infos: Vec<CredentialInfo>,
}

impl Message for DescribeUserScramCredentialsResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.at("DescribeUserScramCredentialsResult.user");
        to.string(&self.user, true)?;
        to.i16(self.error_code);
        to.at("DescribeUserScramCredentialsResult.error_message");
        to.nullable_string(self.error_message.as_deref(), true, true)?;
        to.at("DescribeUserScramCredentialsResult.credential_infos");
        to.array(&self.credential_infos, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("DescribeUserScramCredentialsResult.user");
        let user = from.string(true)?;
        from.at("DescribeUserScramCredentialsResult.error_code");
        let error_code = from.i16()?;
        from.at("DescribeUserScramCredentialsResult.error_message");
        let error_message = from.nullable_string(true, true)?;
        from.at("DescribeUserScramCredentialsResult.credential_infos");
        let credential_infos = from.array(true, 6, |from| CredentialInfo::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { user, error_code, error_message, credential_infos })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct CredentialInfo {
    pub mechanism: i8,
    pub iterations: i32,
}

impl Message for CredentialInfo {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.i8(self.mechanism);
        to.i32(self.iterations);
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("CredentialInfo.mechanism");
        let mechanism = from.i8()?;
        from.at("CredentialInfo.iterations");
        let iterations = from.i32()?;
        from.skip_tags()?;
        Ok(Self { mechanism, iterations })
    }
}

impl Response for DescribeUserScramCredentialsResponse {
    const KEY: ApiKey = ApiKey::DescribeUserScramCredentials;
}
