#pragma once

#include <string>
#include <string_view>

namespace smtp {

// Where an encoded word stands decides which characters it may show (RFC 2047 section 5).
enum class WordPlace { text, comment, phrase };

// All of text as encoded words parted by a blank, each of at most 75 characters, broken only
// between characters. Text that is not UTF-8 is named unknown-8bit (RFC 1428 section 3).
[[nodiscard]] std::string encode_words(std::string_view text, WordPlace place);

// An unstructured value: only runs of words that are not ASCII become encoded words.
[[nodiscard]] std::string encode_unstructured(std::string_view text);

// A list of addresses: display names, group names and comments are encoded. A mailbox whose
// address itself is not ASCII becomes an empty group that shows it (RFC 6857 section 3.1.1).
[[nodiscard]] std::string encode_addresses(std::string_view value);

// A value with parameters, such as Content-Type's: those not ASCII are written as RFC 2231 asks.
[[nodiscard]] std::string encode_parameters(std::string_view value);

// A whole field "Name: value\r\n" broken before blanks so that lines have at most 78 characters
// where that can be done (RFC 5322 section 2.1.1); blanks stay what they are.
[[nodiscard]] std::string fold_field(std::string_view name, std::string_view value);

}  // namespace smtp
