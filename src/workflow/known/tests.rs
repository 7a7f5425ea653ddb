use super::*;
use crate::workflow::Place;

fn rows(rows: &[(&str, &str)]) -> Vec<KnownError> {
    let row = |(at, (error, cause)): (usize, &(&str, &str))| KnownError {
        place: Place { line: 100 + at, column: 1 },
        error: (*error).to_owned(),
        cause: (*cause).to_owned(),
        solution: "do something".to_owned(),
        links: Vec::new(),
    };
    rows.iter().enumerate().map(row).collect()
}

/// The symptoms that are shown, best first, and why the first one is.
fn shown<'r>(rows: &'r [KnownError], failed: &Failed) -> (Vec<&'r str>, String) {
    let found = known_errors(rows, failed);
    let why = found.first().map(|known| known.why.clone()).unwrap_or_default();
    (found.iter().map(|known| rows[known.row].error.as_str()).collect(), why)
}

fn pod<'a>(reason: &'a str, lines: &'a [&'a str]) -> Failed<'a> {
    Failed { reason, lines, ..Failed::default() }
}

fn command<'a>(command: &'a str, exit_code: i32, lines: &'a [&'a str]) -> Failed<'a> {
    Failed { command, exit_code: Some(exit_code), lines, ..Failed::default() }
}

#[test]
fn pods_of_every_kind_find_their_row_in_every_language() {
    let cases = [
        (
            "CrashLoopBackOff",
            "",
            ["Pods crash", "Les pods plantent", "Pods stürzen ab", "Los pods se caen", "Pods quebram"],
        ),
        (
            "ImagePullBackOff",
            "",
            [
                "Image cannot be pulled",
                "L'image est introuvable",
                "Abbild fehlt",
                "Falta la imagen",
                "Imagem ausente",
            ],
        ),
        (
            "OOMKilled",
            "",
            ["Out of memory", "Mémoire insuffisante", "Zu wenig Speicher", "Falta memoria", "Falta memória"],
        ),
        (
            "Unschedulable",
            "",
            ["Pods stay pending", "Pods en attente", "Pods wartend", "Pods pendientes", "Pods pendentes"],
        ),
        (
            "NotReady",
            "Readiness probe failed: HTTP 503",
            [
                "Pods never ready",
                "Pods jamais prêts",
                "Pods nicht bereit",
                "El pod no está listo",
                "O pod não está pronto",
            ],
        ),
    ];
    for (reason, said, symptoms) in cases {
        for symptom in symptoms {
            let rows = rows(&[("Slow pages", "an index"), (symptom, "a cause")]);
            let lines = [said];
            let found = shown(&rows, &pod(reason, &lines));
            assert_eq!(found.0, [symptom], "{reason}");
            assert!(found.1.contains(reason) || found.1.contains("probe"), "{}", found.1);
        }
    }
}

#[test]
fn a_failed_command_finds_its_row_by_what_it_said_and_says_by_which_word() {
    let rows = rows(&[
        ("Migrations échouent", "Script incompatible"),
        ("Tag existe déjà", "Version déjà publiée"),
        ("nginx refuses the configuration", "A host name is wrong"),
        ("Registry unauthorized", "Token expired"),
    ]);
    let lines = ["fatal: tag 'v1.3.0' already exists"];
    let found = shown(&rows, &command("git tag v1.3.0", 128, &lines));
    assert_eq!(found, (vec!["Tag existe déjà"], "the output says “already exists”".to_owned()));

    let lines = ["applying 0042_orders", "ERROR: migration 0042 failed: column exists"];
    let found = shown(&rows, &command("./manage.py upgrade", 1, &lines));
    assert_eq!(found, (vec!["Migrations échouent"], "the output says “migration”".to_owned()));

    let lines = ["nginx: configuration file /etc/nginx/nginx.conf test failed"];
    let found = shown(&rows, &command("nginx -t", 1, &lines));
    assert_eq!(found.0, ["nginx refuses the configuration"]);
    assert_eq!(found.1, "the output says “nginx” and “configuration”");
}

#[test]
fn what_a_command_is_about_counts_where_it_said_nothing() {
    let rows = rows(&[("Migrations échouent", "Script incompatible")]);
    let found = shown(&rows, &command("./manage.py migrate", 1, &[]));
    assert_eq!(found.1, "the command says “migrate”");
}

#[test]
fn words_that_every_failure_has_prove_nothing() {
    let rows = rows(&[
        ("Error", ""),
        ("Le déploiement échoue", "une commande a échoué"),
        ("The release fails", "something failed"),
        ("Pods crash", "A setting is missing"),
        ("Pages are slow", "A query without an index"),
    ]);
    let lines =
        ["error: deployment failed: command failed with an error", "the release failed in production"];
    assert_eq!(shown(&rows, &command("kubectl apply -f release.yaml", 1, &lines)).0, Vec::<&str>::new());
    assert_eq!(shown(&rows, &pod("ContainerCreating", &[])).0, Vec::<&str>::new());
    // One word in common is not enough.
    let lines = ["the pages were rendered, then the disk was unplugged"];
    assert_eq!(shown(&rows, &command("make pages", 2, &lines)).0, Vec::<&str>::new());
}

#[test]
fn what_a_command_should_have_done_is_no_sign_of_how_it_failed() {
    let rows = rows(&[("Tests fail", "flaky"), ("Image cannot be pulled", "the build")]);
    let text = "echo \"tests failed\" | grep -v image\n./run pull access denied";
    assert_eq!(shown(&rows, &command(text, 1, &["killed"])).0, Vec::<&str>::new());
}

#[test]
fn names_and_exit_codes_are_found_as_they_are_written() {
    let rows = rows(&[
        ("App dies at start", "ECONNREFUSED to the database"),
        ("Exit code 137", "the node ran out of memory"),
        ("lock_timeout in Postgres", "long transactions"),
    ]);
    let lines = ["Error: connect ECONNREFUSED 10.0.0.7:5432"];
    assert_eq!(
        shown(&rows, &command("npm start", 1, &lines)),
        (vec!["App dies at start"], "the output says “ECONNREFUSED”".to_owned())
    );
    assert_eq!(
        shown(&rows, &command("npm start", 137, &[])),
        (vec!["Exit code 137"], "it ended with exit 137".to_owned())
    );
    assert_eq!(
        shown(&rows, &command("psql", 3, &["canceling: lock_timeout"])).0,
        ["lock_timeout in Postgres"]
    );
    assert_eq!(shown(&rows, &command("psql", 3, &["a clock timeout"])).0, Vec::<&str>::new());
}

#[test]
fn of_several_rows_the_surest_comes_first_and_all_are_there() {
    let rows = rows(&[
        ("Pods crash", "a secret is missing"),
        ("Pods crash at start", "the database password is wrong"),
        ("CrashLoopBackOff", "anything"),
    ]);
    let lines = ["FATAL: password authentication failed for the database"];
    let failed = Failed { reason: "CrashLoopBackOff", lines: &lines, ..Failed::default() };
    assert_eq!(shown(&rows, &failed).0, ["CrashLoopBackOff", "Pods crash at start", "Pods crash"]);
}

#[test]
fn a_table_without_rows_and_a_failure_without_words_match_nothing() {
    assert_eq!(known_errors(&[], &pod("CrashLoopBackOff", &[])), []);
    assert_eq!(known_errors(&rows(&[("", ""), ("Pods crash", "")]), &Failed::default()), []);
}
