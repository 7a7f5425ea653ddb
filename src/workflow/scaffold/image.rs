//! The name of the image, as manifests and pipelines write it.

use std::sync::LazyLock;

use regex::Regex;

/// Owner and name on the forge: `acme/shop` of `git@github.com:acme/shop.git`.
pub(super) fn slug(remote: &str) -> Option<String> {
    let bare = remote.trim_end_matches('/').trim_end_matches(".git");
    let path = match bare.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map(|(_, path)| path)?,
        None => bare.split_once(':').map(|(_, path)| path)?,
    };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let name = parts.last()?;
    let owner = parts.get(parts.len().checked_sub(2)?)?;
    Some(format!("{owner}/{name}"))
}

/// The host of a remote.
pub(super) fn host(remote: &str) -> Option<&str> {
    let rest = remote.split_once("://").map_or(remote, |(_, rest)| rest);
    let host = rest.split(['/', ':']).next()?;
    let host = host.rsplit('@').next()?;
    host.contains('.').then_some(host)
}

/// An image without its tag and digest; a port of the registry is no tag.
pub(super) fn untagged(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

/// The image that a pipeline builds or pushes.
pub(super) fn of_pipeline(text: &str, slug: Option<&str>) -> Option<String> {
    static KEY: LazyLock<Regex> = LazyLock::new(|| {
        // `images: ghcr.io/acme/shop`, `tags: acme/shop:latest`, `docker push acme/shop`, also over a line end.
        let pattern = r#"(?:\bimages?:|\btags:|docker push|--tag[ =]|docker build[^\n]* -t)\s*\|?\s*["']?([a-z0-9$][^\s"',]*(?:\$\{\{[^}]*\}\}[^\s"',]*)*)"#;
        Regex::new(pattern).expect("the pattern is a constant and the tests use it")
    });
    let text = match slug {
        Some(slug) => {
            let owner = slug.split('/').next().unwrap_or(slug);
            let lower = slug.to_lowercase();
            ["${{ github.repository }}", "${{github.repository}}"]
                .iter()
                .fold(text.to_owned(), |text, mark| text.replace(mark, &lower))
                .replace("${{ github.repository_owner }}", &owner.to_lowercase())
        }
        None => text.to_owned(),
    };
    let found = KEY.captures_iter(&text).filter_map(|found| found.get(1));
    let names = found.map(|name| {
        // A tag may be an expression of its own.
        let name = name.as_str();
        untagged(name.split(":$").next().unwrap_or(name)).to_owned()
    });
    names.into_iter().find(|name| name.contains('/') && !name.contains(['$', '{', '(']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_of_every_spelling_have_owner_and_name() {
        for remote in [
            "git@github.com:acme/shop.git",
            "https://github.com/acme/shop",
            "ssh://git@github.com:22/acme/shop.git",
            "https://gitlab.example.com/group/acme/shop.git/",
        ] {
            assert_eq!(slug(remote).as_deref(), Some("acme/shop"), "{remote}");
        }
        assert_eq!(slug("shop"), None);
        assert_eq!(host("git@gitlab.com:a/b.git"), Some("gitlab.com"));
        assert_eq!(host("/srv/git/shop.git"), None);
    }

    #[test]
    fn a_port_is_no_tag() {
        assert_eq!(untagged("registry:5000/shop"), "registry:5000/shop");
        assert_eq!(untagged("registry:5000/shop:v1@sha256:00"), "registry:5000/shop");
    }

    #[test]
    fn pipelines_name_the_image_in_several_ways() {
        let slug = Some("Acme/shop");
        for (text, image) in [
            ("  images: ghcr.io/${{ github.repository }}\n", Some("ghcr.io/acme/shop")),
            ("  tags: ghcr.io/acme/shop:${{ github.ref_name }}\n", Some("ghcr.io/acme/shop")),
            ("  tags: |\n    acme/shop:latest\n", Some("acme/shop")),
            ("- run: docker push registry.acme.dev:5000/shop:$TAG\n", Some("registry.acme.dev:5000/shop")),
            ("on:\n  push:\n    tags: ['v*']\n", None),
            ("image: ubuntu\n", None),
            ("  images: ${{ env.IMAGE }}\n", None),
        ] {
            assert_eq!(of_pipeline(text, slug).as_deref(), image, "{text}");
        }
    }
}
