//! What commands see around them, and what the screen says when the surroundings change.

use crate::crash::open_marks;
use crate::harness::{Home, words};
use crate::pilot::{begin, run, walk};

#[test]
fn commands_of_the_demo_see_the_practice_world_and_nothing_else() {
    let mut home = Home::new();
    let secret = home.write("real-kubeconfig", "current-context: production\n");
    let mine = home.write("real-gitconfig", "[user]\n\tname = Real Person\n");
    home.set("KUBECONFIG", &secret);
    home.set("GIT_CONFIG_GLOBAL", &mine);
    home.set("GH_TOKEN", "a-real-token");
    home.set("GIT_DIR", home.path("work"));
    let told = home.path("work/told.txt");
    let text = format!(
        "---\nname: look\ndescription: Look around\ntargets: [deployment/app]\n---\n\n# Look\n\n## Steps\n\n\
         ### 1. Look\n\n```bash\n{{ env; kubectl config current-context; git config user.name; pwd; }} > '{}'\n```\n\n\
         - [ ] Looked\n",
        told.display()
    );
    let file = home.write("look.md", text);
    let mut terminal = home.open(&["demo", "--workflow", &file.to_string_lossy()]);
    begin(&mut terminal);
    run(&mut terminal, "1");
    let told = home.read("told.txt");
    let practice = home.path("state/gonogo/practice");
    let practice = practice.to_string_lossy();
    let value = |name: &str| {
        let line = told.lines().find(|line| line.starts_with(&format!("{name}=")));
        line.and_then(|line| line.split_once('=')).map(|(_, value)| value.to_owned())
    };
    let kubeconfig = value("KUBECONFIG").expect("a kubeconfig is set");
    assert!(
        kubeconfig.split(':').all(|path| path.starts_with(&*home.path("state").to_string_lossy())),
        "{kubeconfig}"
    );
    assert!(value("GIT_CONFIG_GLOBAL").unwrap().starts_with(&*practice));
    assert!(value("HOME").unwrap().starts_with(&*practice));
    assert!(value("PATH").unwrap().starts_with(&*practice));
    assert_eq!(value("GH_TOKEN").unwrap_or_default(), "");
    assert_eq!(value("GIT_DIR"), None);
    let rest: Vec<&str> = told.lines().rev().take(3).collect();
    assert!(rest[0].starts_with(&*practice), "{rest:?}");
    assert_eq!(rest[1..], ["Practice Operator", "practice"]);
    assert!(!told.contains("a-real-token") && !told.contains("Real Person") && !told.contains("production"));
}

#[test]
fn a_document_edited_during_the_release_is_noticed_and_changes_nothing() {
    let home = Home::new();
    let mut terminal = open_marks(&home);
    let edited = crate::crash::MARKS.replace("echo quick", "echo edited");
    home.write("marks.md", edited);
    terminal.wait("was changed on disk");
    walk(&mut terminal, "1", |screen| screen.current().is_some_and(|item| item.contains("echo quick")));
    run(&mut terminal, "1");
    assert_eq!(home.read("marks.txt"), "quick\n", "what runs is what was started");
    terminal.kill();

    let terminal = home.open(&["resume"]);
    let screen = terminal.wait_for("the release taken up", |screen| screen.status().contains("RUNNING"));
    assert!(screen.says("✔ echo quick >> marks.txt"));
    assert!(words(&home.run(&["report"])).contains("echo quick >> marks.txt"));
}
