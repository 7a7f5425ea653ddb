//! Switches step by step, with an nginx of ours that takes in the upstream file when it is reloaded.
//! `tests/nginx` does the same with the real one.
#![expect(clippy::disallowed_methods, reason = "tests serve in tasks")]

use std::path::Path;
use std::{fs, mem};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::workflow::nginx::Through;

const BLUE: &str = "# blue\nupstream app {\n    server blue-app:8080;\n}\n";
const GREEN: &str = "# blue\nupstream app {\n    server green-app:8080;\n}\n";

/// `running` is what the workers serve; `refuses` holds words that its test refuses; `deaf` means that
/// it takes orders and does nothing.
const NGINX: &str = r#"cd "$0" || exit 9
case "$1" in
  -t) while read -r word; do
        if grep -q "$word" upstream.conf; then echo "nginx: [emerg] bad $word" >&2; exit 1; fi
      done < refuses ;;
  -s) test -e stopped && { echo 'nginx: [error] no pid' >&2; exit 1; }
      test -e deaf || cp upstream.conf running ;;
esac"#;

struct Place {
    dir: TempDir,
    nginx: Nginx,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in
            [("upstream.conf", BLUE), ("running", BLUE), ("current-env", "blue\n"), ("refuses", "")]
        {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let address = serve(dir.path()).await;
        let mut site = NginxSite::new(dir.path().join("upstream.conf"), dir.path().join("current-env"));
        for side in &mut site.sides {
            side.health = Some(format!("http://{address}/health/{}", side.colour));
        }
        site.through = Some(Through { url: format!("http://{address}/"), says: "X-Colour: {colour}".into() });
        site.nginx = ["sh", "-c", NGINX].map(str::to_owned).to_vec();
        site.nginx.push(dir.path().display().to_string());
        let read_back = Duration::from_secs(60);
        let limits = Limits { read_back, pause: Duration::from_millis(1), ..Limits::default() };
        Self { nginx: Nginx::new(site, limits).unwrap(), dir }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn files(&self) -> (String, String) {
        (self.read("upstream.conf"), self.read("current-env"))
    }

    fn is_at(&self, colour: &str) -> bool {
        let text = if colour == "blue" { BLUE } else { GREEN };
        self.files() == (text.to_owned(), format!("{colour}\n")) && self.read("running") == text
    }

    fn leftovers(&self) -> Vec<String> {
        let names = fs::read_dir(self.dir.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with('.')).collect()
    }

    async fn to(&self, colour: &str) -> Result<Switched, NginxError> {
        self.nginx.switch(&named(colour), None, drop).await
    }

    /// Takes so many steps and lets go, as a process that is killed does; the steps that were taken.
    async fn cut(&self, colour: &str, n_steps: usize) -> Vec<Step> {
        let mut switch = self.nginx.begin(&named(colour), None).unwrap();
        let mut taken = Vec::new();
        while taken.len() < n_steps {
            match switch.step().await.unwrap() {
                Some(done) => taken.push(done.step),
                None => break,
            }
        }
        switch.vanish();
        taken
    }
}

fn named(colour: &str) -> Colour {
    Colour(colour.to_owned())
}

/// Both sides and the way through nginx, by the files in `dir`.
async fn serve(dir: &Path) -> std::net::SocketAddr {
    async fn through(
        State(dir): State<std::path::PathBuf>,
    ) -> ([(&'static str, &'static str); 1], &'static str) {
        let running = fs::read_to_string(dir.join("running")).unwrap();
        ([("X-Colour", if running == GREEN { "green" } else { "blue" })], "hello")
    }
    async fn health(
        State(dir): State<std::path::PathBuf>,
        axum::extract::Path(colour): axum::extract::Path<String>,
    ) -> StatusCode {
        match dir.join(format!("{colour}-is-ill")).exists() {
            true => StatusCode::SERVICE_UNAVAILABLE,
            false => StatusCode::OK,
        }
    }
    let router = axum::Router::new()
        .route("/", get(through))
        .route("/health/{colour}", get(health))
        .with_state(dir.to_owned());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn there_and_back_step_by_step() {
    use Step::{Ask, Confirm, Look, Place as PlaceFile, Prepare, ReadBack, Record, Reload, Test};
    let place = Place::new().await;
    let taken = place.cut("green", usize::MAX).await;
    assert_eq!(taken, [Look, Ask, Prepare, PlaceFile, Test, Reload, ReadBack, Record]);
    assert!(place.is_at("green"), "{:?}", place.files());
    assert_eq!(place.cut("green", usize::MAX).await, [Look, Confirm], "a second time does nothing");
    let switched = place.to("blue").await.unwrap();
    assert_eq!((switched.was_there, switched.n_answers), (false, Some(5)));
    assert_eq!(switched.from, Standing::agreed_on(&named("green")));
    assert!(place.is_at("blue"), "{:?}", place.files());
    assert_eq!(place.leftovers(), Vec::<String>::new());
}

/// Killed after any step of a switch, and again after any step of the next one to either side: the one
/// after that comes to its end.
#[tokio::test]
async fn whatever_a_killed_switch_leaves_the_next_one_finishes() {
    let place = Place::new().await;
    // The steps that leave something behind: a file beside it, in its place, with the workers, recorded.
    for first in [0, 3, 4, 6, 8] {
        let second = [3, 4, 6].into_iter().flat_map(|n| [("green", n), ("blue", n)]);
        for (second_to, second) in second.chain([("green", 0)]) {
            for end in ["green", "blue"] {
                place.cut("green", first).await;
                place.cut(second_to, second).await;
                let now = place.files();
                place.to(end).await.unwrap_or_else(|error| panic!("{first}, {second_to} {second}: {error}"));
                assert!(place.is_at(end), "{first}, {second_to} {second}, from {now:?}: {:?}", place.files());
                assert_eq!(place.leftovers(), Vec::<String>::new());
            }
            place.to("blue").await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_switch_that_was_cut_off_is_told_until_it_is_finished() {
    let place = Place::new().await;
    place.cut("green", 4).await;
    let told = place.nginx.read().unwrap_err();
    assert!(matches!(told, NginxError::Disagree { .. }));
    let told = told.to_string();
    for words in ["current-env says blue", "upstream.conf says green", "a switch to green finishes it"] {
        assert!(told.contains(words), "{told}");
    }
    let standing = Standing { current: named("blue"), upstream: named("green") };
    assert_eq!(place.nginx.look().unwrap(), standing);
    let first = place.nginx.begin(&named("green"), None).unwrap().step().await.unwrap().unwrap();
    assert!(first.words.ends_with("a switch to green was cut off and goes on"), "{}", first.words);
    let first = place.nginx.begin(&named("blue"), None).unwrap().step().await.unwrap().unwrap();
    assert!(first.words.ends_with("a switch to green was cut off and is taken back"), "{}", first.words);
}

#[tokio::test]
async fn files_that_say_what_no_worker_knows_are_not_believed() {
    let place = Place::new().await;
    place.write("running", GREEN);
    let switched = place.to("blue").await.unwrap();
    assert!(!switched.was_there && place.is_at("blue"));
}

#[tokio::test]
async fn what_was_expected_must_still_be_so_or_be_this_very_switch() {
    let place = Place::new().await;
    let blue = || Some(Standing::agreed_on(&named("blue")));
    let green = || Some(Standing::agreed_on(&named("green")));
    let told = place.nginx.switch(&named("blue"), green(), drop).await.map(|switched| switched.was_there);
    assert!(told.unwrap(), "it is where it should be");
    place.cut("green", 4).await;
    let told = place.nginx.switch(&named("blue"), green(), drop).await.unwrap_err();
    assert!(matches!(told, NginxError::NotAsExpected { .. }), "{told}");
    assert!(!told.has_changed());
    place.nginx.switch(&named("green"), blue(), drop).await.unwrap();
    assert!(place.is_at("green"));
}

#[tokio::test]
async fn no_requests_are_sent_to_a_side_that_is_ill_and_both_are_told() {
    let place = Place::new().await;
    place.write("green-is-ill", "");
    let told = place.to("green").await.unwrap_err();
    assert!(matches!(told, NginxError::Unhealthy { .. }) && !told.has_changed());
    let told = told.to_string();
    assert!(told.contains("/health/green answers 503; blue is healthy, 3 answers in a row"), "{told}");
    assert!(place.is_at("blue"));
    fs::rename(place.dir.path().join("green-is-ill"), place.dir.path().join("blue-is-ill")).unwrap();
    place.to("green").await.unwrap();
    place.write("green-is-ill", "");
    let told = place.to("blue").await.unwrap_err().to_string();
    assert!(told.contains("blue answers 503; green answers 503"), "back to an ill side neither: {told}");
}

#[tokio::test]
async fn a_configuration_that_fails_its_test_is_put_back_byte_for_byte() {
    let place = Place::new().await;
    place.write("refuses", "green-app\n");
    let told = place.to("green").await.unwrap_err();
    assert!(!told.has_changed());
    let told = told.to_string();
    for words in
        ["[emerg] bad green-app", "put back byte for byte and names blue, which passes", "blue serves"]
    {
        assert!(told.contains(words), "{told}");
    }
    assert!(place.is_at("blue") && place.leftovers().is_empty());
    place.write("refuses", "upstream\n");
    let told = place.to("green").await.unwrap_err().to_string();
    assert!(told.contains("fails the test too"), "{told}");
    assert!(place.is_at("blue"));
}

#[tokio::test]
async fn a_switch_that_goes_on_and_fails_its_test_is_put_back_unless_its_colour_serves() {
    let place = Place::new().await;
    place.cut("green", 4).await;
    place.write("refuses", "green-app\n");
    let told = place.to("green").await.unwrap_err().to_string();
    assert!(told.contains("names blue") && place.is_at("blue"), "{told}");
    place.write("refuses", "");
    place.cut("green", 6).await;
    place.write("refuses", "green-app\n");
    let told = place.to("green").await.unwrap_err().to_string();
    assert!(told.contains("names green, as it did; green serves"), "{told}");
    assert_eq!(place.files(), (GREEN.to_owned(), "blue\n".to_owned()));
    place.to("blue").await.unwrap();
    assert!(place.is_at("blue"));
}

#[tokio::test]
async fn an_nginx_that_takes_no_reload_leaves_things_as_they_were() {
    let place = Place::new().await;
    place.write("stopped", "");
    let told = place.to("green").await.unwrap_err();
    assert!(!told.has_changed() && told.to_string().contains("[error] no pid"), "{told}");
    assert!(place.is_at("blue"));
}

#[tokio::test]
async fn a_switch_that_nobody_sees_is_not_recorded_and_can_be_finished() {
    let mut place = Place::new().await;
    place.write("deaf", "");
    let patience = mem::replace(&mut place.nginx.limits.read_back, Duration::from_secs(5));
    let told = place.to("green").await.unwrap_err();
    assert!(matches!(told, NginxError::NotReadBack { .. }) && told.has_changed());
    assert!(told.to_string().contains(" × blue; "), "{told}");
    assert_eq!(place.files(), (GREEN.to_owned(), "blue\n".to_owned()));
    fs::remove_file(place.dir.path().join("deaf")).unwrap();
    place.nginx.limits.read_back = patience;
    place.to("green").await.unwrap();
    assert!(place.is_at("green"));
}

#[tokio::test]
async fn without_a_way_through_nothing_counts_as_read_back() {
    let mut place = Place::new().await;
    place.nginx.site.through = None;
    let switched = place.to("green").await.unwrap();
    assert_eq!((switched.was_there, switched.n_answers), (false, None));
    assert!(place.is_at("green"));
    let again = place.to("green").await.unwrap();
    assert!(!again.was_there, "it cannot be seen, so nginx is told again");
}

#[tokio::test]
async fn files_that_tell_no_colour_are_named_with_what_they_say() {
    let place = Place::new().await;
    place.write("current-env", "bleu\n");
    let told = place.nginx.read().unwrap_err().to_string();
    assert!(told.contains("current-env says “bleu”; write the colour that serves now into it"), "{told}");
    place.write("current-env", "");
    assert!(place.nginx.read().unwrap_err().to_string().contains("says nothing"));
    place.write("current-env", "blue");
    place.write("upstream.conf", "upstream a {\n server blue:1;\n server green:1;\n}\n");
    let told = place.to("green").await.unwrap_err().to_string();
    assert!(told.contains("upstream.conf:3: this server is green, that of line 2 is blue"), "{told}");
    fs::remove_file(place.dir.path().join("upstream.conf")).unwrap();
    let told = place.nginx.read().unwrap_err().to_string();
    assert!(told.starts_with("cannot read ") && told.contains("upstream.conf: No such file"), "{told}");
}

#[tokio::test]
async fn an_nginx_that_cannot_be_started_is_told_with_its_way_out() {
    let mut place = Place::new().await;
    place.nginx.site.nginx = vec!["/nowhere/nginx".to_owned()];
    let told = place.to("green").await.unwrap_err().to_string();
    for words in
        ["`/nowhere/nginx -t` could not be started", "by its path", "which could not be tested either"]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(place.is_at("blue"));
}

#[tokio::test]
async fn two_switches_at_once_are_one() {
    let place = Place::new().await;
    let green = named("green");
    let mut first = place.nginx.begin(&green, None).unwrap();
    first.step().await.unwrap();
    let told = place.to("green").await.unwrap_err();
    assert!(matches!(told, NginxError::Busy { .. }) && !told.has_changed(), "{told}");
    while first.step().await.unwrap().is_some() {}
    assert!(place.to("green").await.unwrap().was_there, "at its end the first one lets go");
}

#[tokio::test]
async fn a_switch_runs_in_a_task_of_its_own() {
    let place = Place::new().await;
    let task = tokio::spawn(async move {
        place.nginx.switch(&named("green"), None, drop).await.unwrap();
        place
    });
    assert!(task.await.unwrap().is_at("green"));
}

#[tokio::test]
async fn a_password_in_a_health_address_is_not_shown() {
    let mut place = Place::new().await;
    place.nginx.site.sides[1].health = Some("http://ana:secret@127.0.0.1:9/".into());
    let told = place.to("green").await.unwrap_err().to_string();
    assert!(told.contains("http://127.0.0.1:9/ connection refused") && !told.contains("secret"), "{told}");
}

#[tokio::test]
async fn a_change_by_somebody_else_in_between_is_not_overwritten() {
    let place = Place::new().await;
    let green = named("green");
    let mut switch = place.nginx.begin(&green, None).unwrap();
    for _ in 0..3 {
        switch.step().await.unwrap();
    }
    place.write("upstream.conf", &BLUE.replace("# blue", "# by hand"));
    let told = switch.step().await.unwrap_err();
    assert!(matches!(told, NginxError::Changed { .. }), "{told}");
    drop(switch);
    assert!(place.read("upstream.conf").starts_with("# by hand") && place.leftovers().is_empty());
}

#[tokio::test]
async fn a_look_first_tells_what_would_change_and_changes_nothing() {
    let place = Place::new().await;
    let proof = place.nginx.prove(&named("green"), None).await.unwrap();
    assert_eq!(proof.difference, ["3: - server blue-app:8080;", "3: + server green-app:8080;"]);
    assert_eq!((proof.fine.len(), proof.limits.len()), (4, 0), "{proof:?}");
    assert!(place.is_at("blue") && place.leftovers().is_empty());
    place.write("refuses", "upstream\n");
    let proof = place.nginx.prove(&named("green"), None).await.unwrap();
    assert!(proof.limits[0].contains("[emerg] bad upstream"), "{proof:?}");
    place.write("green-is-ill", "");
    assert!(place.nginx.prove(&named("green"), None).await.is_err());
}

proptest! {
    #[test]
    fn no_files_break_the_reader(upstream in "[a-z {};#\"'\n\\\\]{0,60}", current in "\\PC{0,10}") {
        let dir = tempfile::tempdir().unwrap();
        let (upstream_file, current_file) = (dir.path().join("u"), dir.path().join("c"));
        fs::write(&upstream_file, &upstream).unwrap();
        fs::write(&current_file, &current).unwrap();
        let nginx = Nginx::new(NginxSite::new(upstream_file, current_file), Limits::default()).unwrap();
        if let Ok(colour) = nginx.read() {
            prop_assert_eq!(current.trim(), colour.0);
        }
    }
}
