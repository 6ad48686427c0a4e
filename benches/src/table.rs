use std::time::Duration;

/// CPU seconds per stream second of one contender, a value for each round.
pub struct Row {
    /// What was run.
    pub name: &'static str,
    /// One value for each round, in thousandths.
    pub millis: Vec<u64>,
}

impl Row {
    /// Notes one round: `cpu` spent on `stream`.
    pub fn add(&mut self, cpu: Duration, stream: Duration) {
        self.millis.push((cpu.as_micros() / stream.as_millis().max(1)) as u64);
    }

    /// The middle value, the upper one of two.
    pub fn median(&self) -> u64 {
        let mut sorted = self.millis.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or(0)
    }
}

/// A table in Markdown: each row beside the first one.
pub fn render(rows: &[Row]) -> String {
    let mut text = String::from(
        "| contender | CPU s per stream s, median | lowest | highest | rounds | weir beside it |\n|---|---|---|---|---|---|\n",
    );
    let ours = rows.first().map_or(0, Row::median);
    for row in rows {
        let (low, high) = (row.millis.iter().min().copied(), row.millis.iter().max().copied());
        let ratio = (ours * 1000).checked_div(row.median()).unwrap_or(0);
        let rounds = row.millis.iter().map(|&millis| number(millis)).collect::<Vec<_>>().join(", ");
        text += &format!(
            "| {} | {} | {} | {} | {rounds} | {} |\n",
            row.name,
            number(row.median()),
            number(low.unwrap_or(0)),
            number(high.unwrap_or(0)),
            number(ratio),
        );
    }
    text
}

fn number(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_beside_the_first() {
        let rows =
            [Row { name: "a", millis: vec![900, 1000, 1100] }, Row { name: "b", millis: vec![1250, 1251, 1249] }];
        let text = render(&rows);
        assert!(text.contains("| a | 1.000 | 0.900 | 1.100 | 0.900, 1.000, 1.100 | 1.000 |"), "{text}");
        assert!(text.contains("| b | 1.250 | 1.249 | 1.251 | 1.250, 1.251, 1.249 | 0.800 |"), "{text}");
    }

    #[test]
    fn cpu_is_related_to_the_stream() {
        let mut row = Row { name: "a", millis: vec![] };
        row.add(Duration::from_secs(26), Duration::from_secs(20));
        assert_eq!(row.millis, [1300]);
    }
}
