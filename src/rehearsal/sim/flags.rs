//! The feature flags of the practice shop, as Unleash keeps them for one environment.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The flag that there is when a document names no other.
pub const FLAG: &str = "new-checkout";
/// What a client must send as `Authorization`.
pub const TOKEN: &str = "*:*.practice-token";

const STRATEGY: &str = "6f1c0d0e-2b1a-4a57-9a53-2f7c7f3f9a10";

/// One flag in the environment `production`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flag {
    #[serde(default = "usual_name")]
    name: String,
    enabled: bool,
    /// The parameters of its one strategy; the percentage is text, as Unleash has it.
    parameters: Value,
}

fn usual_name() -> String {
    FLAG.to_owned()
}

impl Default for Flag {
    fn default() -> Self {
        Self::new(FLAG)
    }
}

impl Flag {
    /// A flag that is off.
    pub fn new(name: &str) -> Self {
        let parameters = json!({"rollout": "0", "stickiness": "default", "groupId": name});
        Self { name: name.to_owned(), enabled: false, parameters }
    }

    /// The share of requests that are shown the feature.
    pub fn share(&self) -> f64 {
        let percent = self.parameters["rollout"].as_str().and_then(|text| text.parse::<u8>().ok());
        if self.enabled { f64::from(percent.unwrap_or(0)) / 100.0 } else { 0.0 }
    }

    /// Answers a request below `/api/admin/projects/PROJECT/features/NAME/environments/ENV`.
    ///
    /// - Shape: the status and the body; the status codes are those of Unleash.
    pub fn answer(&mut self, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
        let error = |code: u16, name: &str, message: &str| {
            (code, json!({"name": name, "message": message}).to_string())
        };
        if token != TOKEN {
            return error(401, "UnauthorizedError", "You must log in to use Unleash.");
        }
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let ["api", "admin", "projects", _, "features", name, "environments", environment, rest @ ..] =
            parts.as_slice()
        else {
            return error(
                404,
                "NotFoundError",
                "the practice Unleash knows the environments of a feature only",
            );
        };
        if *name != self.name {
            return error(404, "NotFoundError", &format!("Could not find feature {name}"));
        }
        match (method, rest) {
            ("GET", []) => {
                let shown = json!({
                    "name": environment, "featureName": name, "enabled": self.enabled,
                    "strategies": [self.strategy()],
                });
                (200, shown.to_string())
            }
            ("GET", ["strategies"]) => (200, json!([self.strategy()]).to_string()),
            ("POST", ["on"]) => {
                self.enabled = true;
                (200, String::new())
            }
            ("POST", ["off"]) => {
                self.enabled = false;
                (200, String::new())
            }
            ("PUT", ["strategies", id]) if *id == STRATEGY => self.change(body),
            (_, ["strategies", id]) if *id != STRATEGY => {
                error(404, "NotFoundError", &format!("Could not find strategy with id {id}"))
            }
            _ => error(405, "MethodNotAllowed", "the practice Unleash does not play this call"),
        }
    }

    fn change(&mut self, body: &str) -> (u16, String) {
        let bad = |why: &str| (400, json!({"name": "BadDataError", "message": why}).to_string());
        let Ok(wish) = serde_json::from_str::<Value>(body) else { return bad("the body is no JSON") };
        let rollout = wish["parameters"]["rollout"].as_str().and_then(|text| text.parse::<u8>().ok());
        if rollout.is_none_or(|percent| percent > 100) {
            return bad("parameters.rollout must be the text of a number from 0 to 100");
        }
        self.parameters = wish["parameters"].clone();
        (200, self.strategy().to_string())
    }

    fn strategy(&self) -> Value {
        json!({
            "name": "flexibleRollout", "constraints": [], "parameters": self.parameters,
            "disabled": false, "sortOrder": 0, "id": STRATEGY, "segments": [],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "/api/admin/projects/default/features/new-checkout/environments/production";

    #[test]
    fn a_percentage_and_a_switch_are_read_back() {
        let mut flag = Flag::default();
        let body = r#"{"name":"flexibleRollout","parameters":{"rollout":"25"}}"#;
        let changed = flag.answer("PUT", &format!("{AT}/strategies/{STRATEGY}"), TOKEN, body);
        assert_eq!(changed.0, 200, "{}", changed.1);
        assert_eq!(flag.answer("POST", &format!("{AT}/on"), TOKEN, "").0, 200);
        let (_, told) = flag.answer("GET", AT, TOKEN, "");
        assert!(told.contains("\"enabled\":true") && told.contains("\"rollout\":\"25\""), "{told}");
        assert!((flag.share() - 0.25).abs() < 1e-9);
        assert_eq!(flag.answer("POST", &format!("{AT}/off"), TOKEN, "").0, 200);
        assert!(flag.answer("GET", AT, TOKEN, "").1.contains("\"enabled\":false"));
        assert!(flag.share().abs() < 1e-9, "a percentage of what is off is nothing");
    }

    #[test]
    fn refusals_are_those_of_unleash() {
        let mut flag = Flag::default();
        assert_eq!(flag.answer("GET", AT, "wrong", "").0, 401);
        assert_eq!(flag.answer("GET", &AT.replace("new-checkout", "other"), TOKEN, "").0, 404);
        let number = r#"{"parameters":{"rollout":25}}"#;
        assert_eq!(flag.answer("PUT", &format!("{AT}/strategies/{STRATEGY}"), TOKEN, number).0, 400);
        assert_eq!(flag, Flag::default());
    }
}
