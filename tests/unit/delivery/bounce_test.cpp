#include "delivery/bounce.hpp"

#include "tests/support/catch.hpp"

namespace {

// Keeps what is written, to look at.
class TestBody final : public spool::BodyWriter {
 public:
    explicit TestBody(std::string& into) : into_(into) {}
    bool write(std::string_view bytes) override {
        into_ += bytes;
        return true;
    }
    void when_ready(std::function<void()> ready) override { ready(); }
    [[nodiscard]] std::uint64_t size() const override { return into_.size(); }

 private:
    std::string& into_;
};

struct Fixture {
    Fixture() {
        message.id = base::MessageId{4711};
        message.envelope.reverse_path = "app@example.com";
        spool::RecipientRecord record;
        record.recipient.address = "gone@example.net";
        message.recipients.push_back(record);
        message.envelope.recipients.push_back(record.recipient);
        spool::Report::Change change;
        change.state = spool::RecipientState::failed;
        change.reply = {550, "5.1.1", "No such user"};
        decision.changes.push_back(change);
        wish.recipients = {0};
        options.hostname = "relay.example.com";
    }

    std::optional<spool::NewMessage> bounce() {
        delivery::BounceInput input;
        input.message = &message;
        input.decision = &decision;
        input.wish = &wish;
        input.remote_host = "smtp.example.org";
        input.original_header = "Subject: hello\r\n";
        input.original_body = original_body;
        input.id = base::MessageId{4712};
        return delivery::make_bounce(input, options, std::make_unique<TestBody>(text));
    }

    spool::Message message;
    delivery::Decision decision;
    delivery::ReportWish wish;
    delivery::Options options;
    std::string text, original_body;
};

}  // namespace

TEST_CASE("a failure is reported to the sender, from the null sender", "[delivery]") {
    Fixture fixture;
    const auto bounce = fixture.bounce();
    REQUIRE(bounce.has_value());
    REQUIRE(bounce->envelope.reverse_path.empty());
    REQUIRE(bounce->envelope.recipients.front().address == "app@example.com");
    REQUIRE_FALSE(bounce->take);
    REQUIRE(fixture.text.find("Final-Recipient: rfc822; gone@example.net") != std::string::npos);
    REQUIRE(fixture.text.find("Status: 5.1.1") != std::string::npos);
    REQUIRE(fixture.text.find("550 5.1.1 No such user") != std::string::npos);
    REQUIRE(fixture.text.find("Subject: hello") != std::string::npos);
}

TEST_CASE("what this host itself refused is not put into the smarthost's mouth", "[delivery]") {
    Fixture fixture;
    spool::Report::Change& change = fixture.decision.changes.front();
    change.reply = {0, "5.6.7", ""};
    change.problem = "an address of this message needs SMTPUTF8";
    REQUIRE(fixture.bounce().has_value());
    REQUIRE(fixture.text.find("Status: 5.6.7") != std::string::npos);
    REQUIRE(fixture.text.find("needs SMTPUTF8") != std::string::npos);
    REQUIRE(fixture.text.find("Remote-MTA") == std::string::npos);
    REQUIRE(fixture.text.find("said:") == std::string::npos);
}

// RFC 3464 section 2.3.6
TEST_CASE("a report of mail that expired quotes the last reply", "[delivery]") {
    Fixture fixture;
    spool::Report::Change& change = fixture.decision.changes.front();
    change.reply = {450, "", "Mailbox busy"};
    change.problem = "given up after 5 days";
    REQUIRE(fixture.bounce().has_value());
    CHECK(fixture.text.find("Diagnostic-Code: smtp; 450 Mailbox busy\r\n") != std::string::npos);
    CHECK(fixture.text.find("Remote-MTA: dns; smtp.example.org\r\n") != std::string::npos);
    CHECK(fixture.text.find("Status: 5.4.7\r\n") != std::string::npos);
    CHECK(fixture.text.find("given up after 5 days\r\n") != std::string::npos);
    CHECK(fixture.text.find("smtp.example.org said: 450 Mailbox busy\r\n") != std::string::npos);
}

// RFC 3461 section 4.3
TEST_CASE("the content goes back with a report of failure only", "[delivery]") {
    Fixture fixture;
    fixture.original_body = "All of it.\r\n";
    REQUIRE(fixture.bounce().has_value());
    CHECK(fixture.text.find("All of it.") != std::string::npos);
    fixture.text.clear();
    fixture.wish.action = GENERATE(smtp::ReportAction::delayed, smtp::ReportAction::relayed);
    REQUIRE(fixture.bounce().has_value());
    CHECK(fixture.text.find("Subject: hello") != std::string::npos);
    CHECK(fixture.text.find("All of it.") == std::string::npos);
}

TEST_CASE("a null sender never gets a report", "[delivery]") {
    Fixture fixture;
    fixture.message.envelope.reverse_path = "";
    REQUIRE_FALSE(fixture.bounce().has_value());
}

TEST_CASE("bounce_to decides who is told", "[delivery]") {
    Fixture fixture;
    fixture.options.bounce_to = delivery::BounceTo::none;
    REQUIRE_FALSE(fixture.bounce().has_value());

    fixture.options.bounce_to = delivery::BounceTo::address;
    fixture.options.bounce_address = "ops@example.com";
    REQUIRE(fixture.bounce()->envelope.recipients.front().address == "ops@example.com");

    SECTION("also for a message without a sender") {
        fixture.message.envelope.reverse_path = "";
        REQUIRE(fixture.bounce()->envelope.recipients.front().address == "ops@example.com");
    }
    SECTION("but a report that cannot be delivered ends there") {
        fixture.message.envelope.reverse_path = "";
        fixture.message.envelope.recipients.front().address = "ops@example.com";
        REQUIRE_FALSE(fixture.bounce().has_value());
    }
}

TEST_CASE("bounce_from replaces the null sender without making reports about reports",
          "[delivery]") {
    Fixture fixture;
    fixture.options.bounce_from = "bounces@example.com";
    const auto bounce = fixture.bounce();
    REQUIRE(bounce->envelope.reverse_path == "bounces@example.com");

    fixture.message.envelope.reverse_path = "bounces@example.com";
    fixture.message.origin.protocol = "report";
    REQUIRE_FALSE(fixture.bounce().has_value());
}
