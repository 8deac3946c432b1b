//! What users of the macros see: which token an error stands at, which names come out, that nothing else is said.

#[test]
fn macro_ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/macro_ui/pass/*.rs");
    cases.compile_fail("tests/macro_ui/fail/*.rs");
}
