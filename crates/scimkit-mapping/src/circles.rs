//! Templates that are made of each other.

use std::collections::HashMap;

use super::bound::{Bound, Form};

/// The rules whose template is made of fields that are, in the end, made of what it makes.
pub(super) fn circles(rules: &[Bound]) -> Vec<usize> {
    let writers: HashMap<&str, usize> = rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule.writes_host())
        .filter_map(|(index, rule)| Some((rule.host()?, index)))
        .collect();
    let mut makers = HashMap::new();
    for (index, rule) in rules.iter().enumerate() {
        if let (Form::ToScim(_), Some(side)) = (&rule.form, rule.sides.first()) {
            makers.insert(side.attr, index);
        }
    }
    // Which templates each template waits for.
    let mut waits: HashMap<usize, Vec<usize>> = HashMap::new();
    for index in makers.values() {
        let Some(Form::ToScim(template)) = rules.get(*index).map(|rule| &rule.form) else {
            continue;
        };
        let fields = template
            .slots
            .iter()
            .filter_map(|slot| writers.get(slot.as_str()));
        let sides = fields
            .filter_map(|writer| rules.get(*writer))
            .flat_map(|w| &w.sides);
        let others = sides.filter_map(|side| makers.get(&side.attr).copied());
        waits.insert(*index, others.collect());
    }
    // Whatever waits for nothing is settled, again and again; what is left goes round.
    let mut waiting: HashMap<usize, usize> =
        waits.iter().map(|(i, for_)| (*i, for_.len())).collect();
    let mut behind: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, others) in &waits {
        others
            .iter()
            .for_each(|other| behind.entry(*other).or_default().push(*index));
    }
    let mut settled: Vec<usize> = waiting
        .iter()
        .filter(|(_, n)| **n == 0)
        .map(|(i, _)| *i)
        .collect();
    while let Some(index) = settled.pop() {
        waiting.remove(&index);
        for next in behind.get(&index).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(next) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    settled.push(*next);
                }
            }
        }
    }
    let mut left: Vec<usize> = waiting.into_keys().collect();
    left.sort_unstable();
    left
}
