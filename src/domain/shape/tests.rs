use super::*;

fn shape(entries: &[(&str, &str)]) -> Result<Shape, InvalidField> {
    let checked = entries.iter().map(|(name, text)| Ok(((*name).to_owned(), Shape::check(name, text)?)));
    Shape::new(checked.collect::<Result<_, _>>()?)
}

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).expect("a time").to_utc()
}

#[test]
fn a_template_is_filled_with_standard_fields_and_keeps_its_text() {
    let fill = |text: &str| {
        let template = FieldTemplate::parse(text).expect("a template");
        assert_eq!(template.to_string(), text);
        template.fill(|name| (name == API_KEY).then_some("k1"))
    };
    assert_eq!(fill("{api_key}"), "k1");
    assert_eq!(fill("https://{api_key}@host/{api_key}"), "https://k1@host/k1");
    assert_eq!(fill("v{next_rotation_at}"), "v", "what has no value is nothing");
}

#[test]
fn each_mistake_is_named() {
    for (name, text, mistake) in [
        ("A", "{project}", InvalidField::Placeholder("project".to_owned())),
        ("A", "{shape}", InvalidField::Placeholder("shape".to_owned())),
        ("A", "{api_key", InvalidField::Brace),
        ("A", "api_key}", InvalidField::Brace),
        ("A", "a\nb", InvalidField::Control),
        ("A", "", InvalidField::Empty),
        ("A B", "x", InvalidField::Name),
        ("A.B", "x", InvalidField::Name),
        ("", "x", InvalidField::Name),
        ("server_url", "x", InvalidField::Standard),
        ("managed_by", "{managed_by}", InvalidField::Standard),
        ("api_key", "", InvalidField::NoKey),
    ] {
        assert_eq!(shape(&[(name, text)]), Err(mistake), "{name} = {text:?}");
    }
    for state in
        ["managed_by", "rotation_id", "rotated_at", "overlap_seconds", "retiring", "project_id", "shape"]
    {
        assert_eq!(shape(&[(state, "")]), Err(InvalidField::State), "{state}");
    }
    assert_eq!(shape(&[("api_key", ""), ("DSN", "https://{api_key}@a")]), Err(InvalidField::NoKey));
}

#[test]
fn what_describes_may_be_left_out_and_the_key_where_another_field_is_it() {
    let shape =
        shape(&[("api_key", ""), ("server_url", ""), ("KEY", "{api_key}"), ("A", "b")]).expect("a shape");
    assert_eq!(shape.left_out().collect::<Vec<_>>(), ["api_key", "server_url"]);
    assert_eq!(shape.added().map(|(name, _)| name).collect::<Vec<_>>(), ["A", "KEY"]);
    assert_eq!(shape.key_field(), Some("KEY"));
    assert!(!shape.is_standard() && Shape::default().is_standard());
}

#[test]
fn a_mark_reads_back_as_it_was_written() {
    let renamed = shape(&[("api_key", ""), ("KEY", "{api_key}"), ("A", "b")]).expect("a shape");
    let mark = renamed.mark(at("2026-11-21T03:00:22.5Z"));
    let text = mark.to_string();
    assert!(text.ends_with("@2026-11-21T03:00:23Z,A,key:KEY"), "{text}");
    assert_eq!(ShapeMark::parse(&text), Some(mark.clone()));
    assert!(mark.is_of(&renamed) && !mark.is_of(&Shape::default()));
    let standard = Shape::default().mark(at("2026-11-21T03:00:22Z"));
    assert_eq!(standard.to_string(), "standard@2026-11-21T03:00:22Z");
    assert_eq!(ShapeMark::parse(&standard.to_string()), Some(standard));
}

#[test]
fn a_shape_is_another_if_only_a_template_differs() {
    let one = shape(&[("A", "{api_key}")]).expect("a shape");
    let other = shape(&[("A", "{api_key}!")]).expect("a shape");
    assert!(!one.mark(at("2026-11-21T03:00:22Z")).is_of(&other));
}

#[test]
fn a_damaged_mark_is_none_and_names_no_field_of_the_state() {
    for text in ["", "standard", "a@yesterday", "a@0026-11-21T03:00:22Z"] {
        assert_eq!(ShapeMark::parse(text), None, "{text:?}");
    }
    let mark = ShapeMark::parse("a@2026-11-21T03:00:22Z,,managed_by,B").expect("a mark");
    assert_eq!(Vec::from_iter(mark.names), ["B"]);
}
