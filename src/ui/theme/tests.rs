//! Theme files, their mistakes, and what few colours leave of them.

use super::*;

#[test]
fn every_built_in_theme_names_every_role() {
    for (name, text) in BUILT_IN {
        let theme = Theme::read(name, text).unwrap();
        assert_eq!(theme.name, name);
        assert!(!text.contains("extends:"), "a built-in theme stands on its own");
    }
}

#[test]
fn the_monochrome_theme_has_no_colour_and_tells_roles_apart_that_matter() {
    let theme = Theme::default_for(true, Depth::True);
    for role in Role::ALL {
        let style = theme.style(role);
        assert_eq!((style.fg, style.bg), (None, None), "{}", role.name());
    }
    for role in [Role::Selection, Role::Bad, Role::Warning, Role::Overridden, Role::Stale] {
        assert_ne!(theme.style(role), theme.style(Role::Ok), "{}", role.name());
    }
}

#[test]
fn an_override_never_looks_like_ok() {
    for (name, _) in BUILT_IN {
        let theme = Theme::built_in(name).unwrap();
        for depth in [Depth::Sixteen, Depth::Indexed, Depth::True] {
            let theme = theme.clone().with_depth(depth);
            assert_ne!(theme.style(Role::Overridden), theme.style(Role::Ok));
            assert_ne!(theme.style(Role::Stale), theme.style(Role::Ok));
        }
    }
}

#[test]
fn a_terminal_of_few_colours_gets_the_fallback() {
    let theme = Theme::built_in("dark").unwrap();
    assert_eq!(theme.style(Role::Ok).fg, Some(Color::Rgb(0x3f, 0xb9, 0x50)));
    assert_eq!(theme.clone().with_depth(Depth::Sixteen).style(Role::Ok).fg, Some(Color::Green));
    let indexed = theme.with_depth(Depth::Indexed).style(Role::Ok).fg;
    assert!(matches!(indexed, Some(Color::Indexed(16..))), "{indexed:?}");
}

#[test]
fn a_colour_without_a_fallback_gets_the_nearest_name() {
    let theme = Theme::read("t.yaml", "name: t\nbase: dark\nroles:\n  ok: \"#30e890\"\n").unwrap();
    let sixteen = theme.with_depth(Depth::Sixteen);
    assert_eq!(sixteen.style(Role::Ok).fg, Some(Color::LightGreen));
    assert_eq!(
        sixteen.style(Role::Bad),
        Theme::built_in("dark").unwrap().with_depth(Depth::Sixteen).style(Role::Bad)
    );
}

#[test]
fn a_theme_with_mistakes_names_each_with_its_place_and_a_way_out() {
    let text = "name: t\nextends: dark\nroles:\n  okk: green\n  bad: grene\n  warning: #d29922\n  dim: on\n";
    let errors = Theme::read("mine.yaml", text).unwrap_err();
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let expected = [
        "mine.yaml:5:8: in `bad`: `grene` is neither a colour nor an attribute; did you mean `green`?",
        "mine.yaml:7:8: in `dim`: `on` has no colour behind it",
        "mine.yaml:4:8: there is no role `okk`; did you mean `ok`?",
    ];
    for line in expected {
        assert!(errors.contains(&line.to_owned()), "{errors:#?}");
    }
    assert!(errors.iter().any(|line| line.contains("`warning`") && line.contains("quotes")), "{errors:#?}");
}

#[test]
fn a_theme_without_a_base_must_name_every_role() {
    let errors = Theme::read("mine.yaml", "name: t\nroles:\n  ok: green\n").unwrap_err();
    assert!(errors[0].to_string().contains("names no style for text, dim"), "{}", errors[0]);
}

#[test]
fn a_file_that_is_no_yaml_says_where() {
    let errors = Theme::read("mine.yaml", "name: t\nroles: [").unwrap_err();
    assert!(errors[0].to_string().starts_with("mine.yaml:"), "{}", errors[0]);
}

#[test]
fn the_environment_tells_the_depth() {
    assert_eq!(Depth::of_terminal(Some("truecolor"), Some("xterm")), Depth::True);
    assert_eq!(Depth::of_terminal(None, Some("tmux-256color")), Depth::Indexed);
    assert_eq!(Depth::of_terminal(None, Some("linux")), Depth::Sixteen);
}
