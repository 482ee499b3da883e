//! Templates that depend on each other.

use std::collections::HashMap;

use super::bound_rule::{BoundRule, Form};

/// Returns the rules whose template depends on its own result, through fields and other templates.
pub(super) fn template_cycles(rules: &[BoundRule]) -> Vec<usize> {
    let writers: HashMap<&str, usize> = rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule.writes_field())
        .filter_map(|(index, rule)| Some((rule.field()?, index)))
        .collect();
    let mut makers = HashMap::new();
    for (index, rule) in rules.iter().enumerate() {
        if let (Form::PathTemplate(_), Some(path)) = (&rule.form, rule.paths.first()) {
            makers.insert(path.attr, index);
        }
    }
    // The templates that each template depends on.
    let mut waits: HashMap<usize, Vec<usize>> = HashMap::new();
    for index in makers.values() {
        let Some(Form::PathTemplate(template)) = rules.get(*index).map(|rule| &rule.form) else {
            continue;
        };
        let fields = template
            .slots
            .iter()
            .filter_map(|slot| writers.get(slot.as_str()));
        let paths = fields
            .filter_map(|writer| rules.get(*writer))
            .flat_map(|w| &w.paths);
        let others = paths.filter_map(|path| makers.get(&path.attr).copied());
        waits.insert(*index, others.collect());
    }
    // Templates without open dependencies are settled, repeatedly; the rest forms cycles.
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
