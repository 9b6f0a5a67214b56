//! Payloads and payload selectors.

use std::collections::HashMap;

use qdrant_client::qdrant as proto;
use qdrant_client::qdrant::with_payload_selector::SelectorOptions;
use qdrant_edge::{Payload, PayloadSelector, PayloadSelectorExclude, PayloadSelectorInclude, WithPayloadInterface};

use super::json_path;
use crate::error::Result;

/// A payload as the engine stores it.
pub fn payload(fields: HashMap<String, proto::Value>) -> Payload {
    Payload(qdrant_client::Payload::from(fields).into())
}

/// A payload as a message.
pub fn proto_payload(payload: Payload) -> HashMap<String, proto::Value> {
    payload.0.into_iter().map(|(key, value)| (key, value.into())).collect()
}

/// Which payload fields to return; `default` when the request does not say.
pub fn selector(selector: Option<proto::WithPayloadSelector>, default: bool) -> Result<WithPayloadInterface> {
    let Some(options) = selector.and_then(|selector| selector.selector_options) else {
        return Ok(WithPayloadInterface::Bool(default));
    };
    let paths = |fields: Vec<String>| fields.iter().map(|field| json_path(field)).collect::<Result<Vec<_>>>();
    Ok(match options {
        SelectorOptions::Enable(all) => WithPayloadInterface::Bool(all),
        SelectorOptions::Include(include) => WithPayloadInterface::Selector(PayloadSelector::Include(
            PayloadSelectorInclude::new(paths(include.fields)?),
        )),
        SelectorOptions::Exclude(exclude) => WithPayloadInterface::Selector(PayloadSelector::Exclude(
            PayloadSelectorExclude::new(paths(exclude.fields)?),
        )),
    })
}
