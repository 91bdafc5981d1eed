//! Error codes against the table in `definitions/error_codes.txt`.

use millstream_protocol::ErrorCode;

#[test]
fn codes_have_kafkas_numbers_and_names() {
    let path = crate::codegen::crate_folder().join("definitions/error_codes.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = 0;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number: i16 = words[0].parse().unwrap();
        let code = ErrorCode::from_code(number);
        assert_eq!((code.code(), code.to_string().as_str()), (number, words[1]));
        assert_eq!(code.is_retriable(), words.get(2) == Some(&"retriable"), "{code}");
        lines += 1;
    }
    assert_eq!(lines, ErrorCode::ALL.len());
}

#[test]
fn unknown_numbers_read_as_an_unknown_error() {
    assert_eq!(ErrorCode::from_code(9_999), ErrorCode::UnknownServerError);
    assert_eq!(ErrorCode::from_code(-1), ErrorCode::UnknownServerError);
}

#[test]
fn codes_become_results() {
    assert_eq!(ErrorCode::None.check(), Ok(()));
    assert_eq!(ErrorCode::from_code(3).check(), Err(ErrorCode::UnknownTopicOrPartition));
    assert_eq!(ErrorCode::default(), ErrorCode::None);
}
