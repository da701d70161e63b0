//! What a block takes for granted, and whether it holds, as far as facts show it.

use super::Node;
use crate::graph::{Assumption, Graph, Part, Standing};
use crate::shape;

pub(super) fn of(node: &Node<'_>) -> Vec<Assumption> {
    let one = |one: &shape::Assumption| Assumption {
        name: one.name.value.clone(),
        says: one.says.clone(),
        if_not: one.if_not.clone(),
        when: one.when.clone(),
        state: Standing::Unknown,
        because: None,
    };
    node.assumes.iter().map(one).collect()
}

/// What the app alone shows; what only a target shows is left to [`Graph::judge`].
pub(super) fn judge(graph: &mut Graph) {
    for part in &mut graph.blocks {
        let own = own_facts(part);
        for one in &mut part.assumes {
            settle(one, &own);
        }
    }
}

/// A fact that breaks an assumption: its name, and, if it is so, why.
pub(crate) type Fact = (&'static str, Option<String>);

pub(crate) fn settle(one: &mut Assumption, facts: &[Fact]) {
    let Some(when) = &one.when else { return };
    let Some((_, because)) = facts.iter().find(|(name, _)| name == when) else { return };
    one.state = if because.is_some() { Standing::Broken } else { Standing::Holds };
    one.because.clone_from(because);
}

fn own_facts(part: &Part) -> Vec<Fact> {
    let many = part.processes.iter().find(|one| one.copies_at_most.unwrap_or(one.copies) > 1);
    let public = part.processes.iter().find(|one| !one.paths.is_empty());
    vec![
        (
            "copies>1",
            many.map(|one| match one.copies_at_most {
                Some(most) => format!("{} has up to {most} copies", one.name),
                None => format!("{} has {} copies", one.name, one.copies),
            }),
        ),
        ("public", public.map(|one| format!("{} leads to {}", one.paths.join(", "), one.name))),
    ]
}
