//! A loaded component as a plugin.

use std::sync::Arc;

use millstream_sdk::config::{self, Diagnostic, Step};
use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::{Description, Plugin, Role, Surroundings};
use millstream_sdk::sink::{Delivery, Sink};
use millstream_sdk::source::Source;
use millstream_sdk::transform::Transform;
use serde_json::Value;

use super::bindings::exports::millstream::connect::plugin;
use super::component::Loaded;
use super::fault::Fault;
use super::instance::{Instance, Origin, aside};
use super::rest::Rest;
use super::sink::ComponentSink;
use super::source::ComponentSource;
use super::transform::ComponentTransform;
use crate::plugin::{Grant, Grants};

pub struct ComponentPlugin {
    loaded: Arc<Loaded>,
    grants: Grants,
}

/// Everything that makes instances of one source, sink or step.
#[derive(Clone)]
pub struct Maker {
    pub loaded: Arc<Loaded>,
    pub grants: Grants,
    /// JSON, with the defaults filled in.
    pub config: String,
    pub origin: Origin,
    /// `None` where somebody waits for the answer.
    pub rest: Option<Arc<Rest>>,
}

impl Maker {
    /// A new instance, once what an earlier one did has been rested from.
    pub async fn instance(&self) -> Result<Instance, Fault> {
        if let Some(rest) = &self.rest {
            rest.wait().await;
        }
        Instance::start(&self.loaded.pre, &self.grants, self.origin.clone(), self.rest.clone()).await
    }

    /// The same, for a question that is asked at once.
    pub fn at_once(&self) -> Maker {
        Maker { rest: None, ..self.clone() }
    }
}

impl ComponentPlugin {
    pub fn new(loaded: Arc<Loaded>, grants: Grants) -> ComponentPlugin {
        ComponentPlugin { loaded, grants }
    }

    /// What the component cannot work without.
    pub fn wants(&self) -> &[Grant] {
        &self.loaded.described.wants
    }

    fn maker(&self, role: Role, config: &Value, at: &Surroundings) -> Result<Maker, ConnectorError> {
        let description = &self.loaded.described.description;
        let Some(described) = description.role(role) else {
            return Err(ConnectorError::config(self.refusal(role)));
        };
        let filled: Value = config::parse(described.options, config)?;
        let (pipeline, node) = (at.pipeline.clone(), at.node.clone());
        Ok(Maker {
            loaded: Arc::clone(&self.loaded),
            grants: self.grants.clone(),
            config: filled.to_string(),
            rest: Some(self.loaded.rests.of(&pipeline, &node)),
            origin: Origin { plugin: description.name, pipeline, node },
        })
    }

    /// What the component itself says of a configuration that agrees with its schema.
    fn ask(&self, role: Role, config: &Value) -> Result<Vec<Diagnostic>, Fault> {
        let maker = self.maker(role, config, &Surroundings::default()).map_err(Fault::answer)?.at_once();
        let role = match role {
            Role::Source => plugin::Role::Source,
            Role::Sink => plugin::Role::Sink,
            Role::Transform => plugin::Role::Transform,
        };
        let ask = async {
            let mut instance = maker.instance().await?;
            let guest = instance.load(|store, inner| maker.loaded.exports.plugin.load(store, inner))?;
            instance.call(async |store| guest.call_validate(store, role, &maker.config).await).await
        };
        let found = aside(ask).map_err(|reason| Fault::Start { reason })??;
        Ok(found.into_iter().map(|found| diagnostic(found, config)).collect())
    }
}

/// Indexes arrive as digits: they are indexes where the configuration has a list.
fn diagnostic(found: plugin::Diagnostic, config: &Value) -> Diagnostic {
    let mut at = Some(config);
    let step = |step: String| {
        let index = step.parse::<usize>().ok().filter(|_| at.is_some_and(Value::is_array));
        at = at.and_then(|value| match index {
            Some(index) => value.get(index),
            None => value.get(&step),
        });
        index.map_or(Step::Key(step), Step::Index)
    };
    let path = found.path.into_iter().map(step).collect();
    Diagnostic { path, message: found.message, hint: found.hint }
}

impl Plugin for ComponentPlugin {
    fn describe(&self) -> Description {
        self.loaded.described.description.clone()
    }

    fn validate(&self, role: Role, config: &Value) -> Vec<Diagnostic> {
        let Some(described) = self.loaded.described.description.role(role) else {
            return vec![Diagnostic::new(Vec::new(), self.refusal(role))];
        };
        let mistakes = config::check(described.options, config);
        if !mistakes.is_empty() {
            return mistakes;
        }
        match self.ask(role, config) {
            Ok(mistakes) => mistakes,
            Err(fault) => vec![Diagnostic::new(Vec::new(), format!("checking the configuration: {fault}"))],
        }
    }

    fn source(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Source>, ConnectorError> {
        Ok(Box::new(ComponentSource::new(self.maker(Role::Source, config, at)?)?))
    }

    fn sink(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Sink>, ConnectorError> {
        let maker = self.maker(Role::Sink, config, at)?;
        let described = self.loaded.described.description.role(Role::Sink);
        let delivery = described.and_then(|sink| sink.delivery).unwrap_or(Delivery::AtLeastOnce);
        Ok(Box::new(ComponentSink::new(maker, delivery)))
    }

    fn transform(&self, config: &Value, at: &Surroundings) -> Result<Box<dyn Transform>, ConnectorError> {
        Ok(Box::new(ComponentTransform::new(self.maker(Role::Transform, config, at)?)))
    }
}
