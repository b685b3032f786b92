// Arguments of MAIL, RCPT and BDAT.
#include "smtp/address.hpp"

#include "base/text.hpp"
#include "smtp/command.hpp"
#include "smtp/envelope.hpp"
#include "tests/fuzz/check.hpp"

namespace {

void check_address(std::string_view address) {
    fuzz::require(address.size() <= smtp::longest_path, "an address is not too long");
    fuzz::require(!fuzz::has_controls(address), "an address has no control characters");
    fuzz::require(smtp::is_clean_utf8(address), "an address is UTF-8 that shows what it is");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = fuzz::text_of(data, size);
    const smtp::ParsedPath path = smtp::parse_path(text);
    if (path.fault == smtp::PathFault::none) check_address(path.address);
    smtp::Envelope envelope;
    smtp::MailArguments mail;
    if (!smtp::parse_mail(text, envelope, mail)) {
        check_address(envelope.reverse_path);
        fuzz::require(envelope.smtputf8 || base::is_ascii(envelope.reverse_path),
                      "only SMTPUTF8 brings other than ASCII");
    }
    for (const bool smtputf8 : {false, true}) {
        smtp::Recipient recipient;
        if (smtp::parse_rcpt(text, smtputf8, recipient)) continue;
        check_address(recipient.address);
        fuzz::require(!recipient.address.empty(), "a recipient has an address");
    }
    static_cast<void>(smtp::parse_bdat(text));
    return 0;
}
