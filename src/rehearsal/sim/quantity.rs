//! Quantities of resources: `500m`, `2`, `1Gi`, `10k`.

/// The quantity in thousandths of its unit; `None` for text that is none.
pub fn milli(text: &str) -> Option<i128> {
    let text = text.trim();
    let split = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let factor: f64 = match suffix {
        "" => 1e3,
        "m" => 1.0,
        "k" => 1e6,
        "M" => 1e9,
        "G" => 1e12,
        "T" => 1e15,
        "P" => 1e18,
        "Ki" => 1e3 * 1024.0,
        "Mi" => 1e3 * 1024.0 * 1024.0,
        "Gi" => 1e3 * f64::powi(1024.0, 3),
        "Ti" => 1e3 * f64::powi(1024.0, 4),
        "Pi" => 1e3 * f64::powi(1024.0, 5),
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    number.is_finite().then(|| (number * factor).ceil() as i128)
}

/// Thousandths as the API writes them: a whole number where it is one, bytes with a binary suffix.
pub fn written(milli: i128, is_bytes: bool) -> String {
    if milli % 1000 != 0 {
        return format!("{milli}m");
    }
    let whole = milli / 1000;
    let (base, suffixes): (i128, [&str; 4]) =
        if is_bytes { (1024, ["Ki", "Mi", "Gi", "Ti"]) } else { (1000, ["k", "M", "G", "T"]) };
    let mut shown = (whole, "");
    for suffix in suffixes {
        if shown.0 == 0 || shown.0 % base != 0 {
            break;
        }
        shown = (shown.0 / base, suffix);
    }
    format!("{}{}", shown.0, shown.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_with_their_suffixes() {
        let read = ["500m", "2", "10k", "1Gi", "0.5", "1.5Gi"].map(|text| milli(text).unwrap());
        assert_eq!(read, [500, 2_000, 10_000_000, 1_073_741_824_000, 500, 1_610_612_736_000]);
        assert_eq!(milli("many"), None);
    }

    #[test]
    fn quantities_are_written_in_their_shortest_form() {
        assert_eq!(written(1_500, false), "1500m");
        assert_eq!(written(4_000_000, false), "4k");
        assert_eq!(written(1_073_741_824_000, true), "1Gi");
        assert_eq!(written(0, true), "0");
    }
}
