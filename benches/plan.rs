//! How long it takes to read a document: `cargo bench --bench plan` prints the figures.
//!
//! Targets: the plan of the seed within 5 ms, a file of 10 000 lines within 100 ms. The hostile
//! texts are read at two sizes; reading is linear when twice the size takes about twice the time.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark measures with the clock and prints what it measured"
)]

use std::time::{Duration, Instant};

use gonogo::workflow::{Source, plan_json, plan_text, read};

const TWIN: &str = include_str!("../tests/fixtures/workflows/livraison.fr.md");

fn main() {
    let seed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/seeds/release.md"));
    let (what, text) = match &seed {
        Ok(text) => ("the seed", text.as_str()),
        Err(_) => ("the seed's twin", TWIN),
    };
    let cold = measured(|| plan(text));
    println!("plan of {what}, the first time   {:>9.3} ms   target 5 ms", millis(cold));
    println!("plan of {what}, median of 200    {:>9.3} ms", millis(median(200, || plan(text))));

    let long = long_release(10_000);
    let n_lines = long.lines().count();
    println!(
        "{n_lines} lines, median of 10        {:>9.3} ms   target 100 ms",
        millis(median(10, || plan(&long)))
    );

    for (what, make) in HOSTILE {
        let (once, twice) = (make(1), make(2));
        let (short, long) = (median(3, || plan(&once)), median(3, || plan(&twice)));
        let ratio = long.as_secs_f64() / short.as_secs_f64();
        println!("{what:<22} {:>8} bytes {:>9.3} ms   ×2 takes ×{ratio:.1}", once.len(), millis(short));
    }
}

type Make = fn(usize) -> String;

const STEP: &str = "# R\n## Steps\n### 1. A\n";

const HOSTILE: &[(&str, Make)] = &[
    ("nested lists", |n| "- ".repeat(10_000 * n) + "x"),
    ("nested quotes", |n| "> ".repeat(10_000 * n) + "x"),
    ("fences", |n| format!("{STEP}{}", "```bash\nls\n```\n".repeat(50_000 * n))),
    ("a long line", |n| format!("{STEP}- [ ] {}\n", "a ".repeat(500_000 * n))),
    ("versions in a line", |n| format!("{STEP}```bash\necho {}\n```\n", "v1.2.0 ".repeat(50_000 * n))),
    ("the same box", |n| format!("{STEP}{}", "- [ ] x\n".repeat(50_000 * n))),
    ("open quotes", |n| format!("{STEP}{}", "```bash\necho \"\n```\n".repeat(20_000 * n))),
    ("open substitutions", |n| format!("{STEP}```bash\n{}\n```\n", "$(".repeat(200_000 * n))),
    ("terminal sessions", |n| format!("{STEP}```console\n{}```\n", "$ ls \\\n  x\nout\n".repeat(2_000 * n))),
    ("alternatives", |n| format!("{STEP}```bash\n{}```\n", "ls\n# or\n".repeat(50_000 * n))),
    ("headings", |n| "## x\n- [ ] y\n".repeat(20_000 * n)),
    ("emphasis", |n| format!("{STEP}{}", "*a **b ".repeat(20_000 * n))),
    ("calls", |n| {
        format!("{STEP}{}", (0..5_000 * n).map(|i| format!("→ **workflow**: w{i}\n\n")).collect::<String>())
    }),
    ("a table", |n| format!("# R\n## Common errors\n|a|b|c|\n|-|-|-|\n{}", "|x|y|z|\n".repeat(20_000 * n))),
    ("a deep head", |n| format!("---\na: {}\n---\n# R\n", "[".repeat(10_000 * n))),
    ("a long head", |n| {
        format!("---\n{}---\n# R\n", (0..5_000 * n).map(|i| format!("k{i}: \"\n")).collect::<String>())
    }),
];

fn plan(text: &str) {
    let workflow = read(Source { file: "release.md", bytes: text.as_bytes(), siblings: &|_| false });
    std::hint::black_box((plan_json(&workflow), plan_text(&workflow)));
}

/// A document of the seed's shape with about `n_lines` lines: many steps of every kind.
fn long_release(n_lines: usize) -> String {
    let start = TWIN.find("### 1.").unwrap();
    let end = TWIN.find("## Livrables").unwrap();
    let steps = &TWIN[start..end];
    let n = n_lines / steps.lines().count() + 1;
    format!("{}{}{}", &TWIN[..start], steps.repeat(n), &TWIN[end..])
}

fn measured(run: impl Fn()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn median(n: usize, run: impl Fn()) -> Duration {
    let mut times: Vec<Duration> = (0..n).map(|_| measured(&run)).collect();
    times.sort_unstable();
    times[n / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
