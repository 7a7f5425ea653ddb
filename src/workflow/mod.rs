//! What a release is: a Markdown file as plain data. Pure: text in, [`Workflow`] out.

pub mod model;

pub use model::*;

/// TEMPORARY until the workflow layer lands.
pub fn valid_param(_name: &str, _value: &str) -> Result<(), String> {
    Ok(())
}
impl Workflow {
    pub fn with_params(&self, _values: &std::collections::BTreeMap<String, String>) -> Workflow {
        self.clone()
    }
}
