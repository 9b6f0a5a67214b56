//! Acknowledgements that were believed and did not hold: a message whose acknowledgement the broker confirmed is gone, so it
//! cannot be confirmed a second time.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What the runtime logs at `debug` for each confirmed acknowledgement.
const CONFIRMED: &str = "the broker confirmed";

#[derive(Deserialize)]
struct Line {
    fields: Fields,
}

#[derive(Deserialize)]
struct Fields {
    message: String,
    stream: String,
    sequence: u64,
}

/// The messages that these logs (JSON lines among others) call confirmed more than once.
pub(crate) fn twice(logs: impl Iterator<Item = String>) -> Vec<String> {
    let mut confirmed: BTreeMap<(String, u64), usize> = BTreeMap::new();
    for log in logs {
        for line in log.lines().filter(|line| line.contains(CONFIRMED)) {
            let Ok(Line { fields }) = serde_json::from_str(line) else { continue };
            if fields.message == CONFIRMED {
                *confirmed.entry((fields.stream, fields.sequence)).or_default() += 1;
            }
        }
    }
    let again = confirmed.into_iter().filter(|(_, times)| *times > 1);
    again.map(|((stream, n), times)| format!("{stream} #{n} was acknowledged {times} times")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_confirmed_twice_is_named() {
        let line = |n: u64| {
            format!(r#"{{"level":"DEBUG","fields":{{"message":"the broker confirmed","stream":"S","sequence":{n}}}}}"#)
        };
        let logs = [format!("noise\n{}\n{}\n", line(1), line(2)), format!("{}\n", line(2))];
        assert_eq!(twice(logs.into_iter()), ["S #2 was acknowledged 2 times"]);
    }
}
