//! Spring's profile expressions: `prod`, `uat, sit`, `!dev`, `cloud & (prod | uat)`.

/// Deeper than any expression that a person wrote.
const MAX_DEPTH: usize = 16;

/// Whether an expression accepts the active profiles. Without any, the profile `default` is active, as in
/// Spring. `None` where the expression is malformed.
pub(crate) fn accepts(expression: &str, active: &[String]) -> Option<bool> {
    let is_active =
        |name: &str| active.iter().any(|profile| profile == name) || (active.is_empty() && name == "default");
    // A comma separates expressions of which one must hold.
    let mut accepted = false;
    for alternative in expression.split(',') {
        let mut rest = alternative.trim();
        accepted |= either(&mut rest, &is_active, 0)?;
        if !rest.is_empty() {
            return None;
        }
    }
    Some(accepted)
}

type IsActive<'a> = dyn Fn(&str) -> bool + 'a;

/// One sign joins all parts: `&` and `|` side by side need parentheses, as in Spring.
fn either(rest: &mut &str, is_active: &IsActive<'_>, depth: usize) -> Option<bool> {
    let mut value = single(rest, is_active, depth)?;
    let mut joined_by = None;
    while let Some(sign) = ['&', '|'].into_iter().find(|sign| take(rest, *sign)) {
        if *joined_by.get_or_insert(sign) != sign {
            return None;
        }
        let next = single(rest, is_active, depth)?;
        value = if sign == '&' { value & next } else { value | next };
    }
    Some(value)
}

fn single(rest: &mut &str, is_active: &IsActive<'_>, depth: usize) -> Option<bool> {
    if depth > MAX_DEPTH {
        return None;
    }
    if take(rest, '!') {
        return single(rest, is_active, depth + 1).map(|value| !value);
    }
    if take(rest, '(') {
        let value = either(rest, is_active, depth + 1)?;
        return take(rest, ')').then_some(value);
    }
    let end = rest.find(|c: char| c.is_whitespace() || "()&|!".contains(c)).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    *rest = after.trim_start();
    (!name.is_empty()).then(|| is_active(name))
}

fn take(rest: &mut &str, sign: char) -> bool {
    match rest.strip_prefix(sign) {
        Some(after) => {
            *rest = after.trim_start();
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_mean_what_spring_says() {
        let active = ["prod".to_owned(), "cloud".to_owned()];
        for (expression, expected) in [
            ("prod", Some(true)),
            ("dev", Some(false)),
            ("dev, prod", Some(true)),
            ("!prod", Some(false)),
            ("prod & cloud", Some(true)),
            ("prod & !cloud | dev", None),
            ("(prod & !cloud) | dev", Some(false)),
            ("dev | prod | uat", Some(true)),
            ("cloud&(dev|prod)", Some(true)),
            ("", None),
            ("prod &", None),
            ("(prod", None),
            ("prod cloud", None),
        ] {
            assert_eq!(accepts(expression, &active), expected, "{expression}");
        }
        assert_eq!(accepts(&"(".repeat(10_000), &active), None);
    }

    #[test]
    fn without_a_profile_the_default_one_is_active() {
        assert_eq!(accepts("default", &[]), Some(true));
        assert_eq!(accepts("default", &["prod".to_owned()]), Some(false));
    }
}
