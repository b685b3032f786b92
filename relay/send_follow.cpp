#include "relay/send_follow.hpp"

#include <algorithm>
#include <thread>

#include "admin/target.hpp"
#include "base/units.hpp"
#include "relay/queue_report.hpp"
#include "relay/status_report.hpp"

namespace relay {

namespace {

constexpr std::chrono::milliseconds poll_interval{150};
// Until then an attempt may just take its time; after it, a look at the smarthosts' health tells.
constexpr std::chrono::milliseconds patience{1000};

// Stages at which the session was not yet ready to take mail.
bool before_mail(const std::string& stage) {
    static constexpr std::string_view stages[] = {"dns",      "connect", "greeting", "ehlo",
                                                  "starttls", "tls",     "auth"};
    return std::find(std::begin(stages), std::end(stages), stage) != std::end(stages);
}

std::string place_of(const ApiView& attempt) {
    std::string place = attempt.text("smarthost");
    if (!attempt.text("remote").empty()) place += " (" + attempt.text("remote") + ")";
    return place;
}

std::string tls_of(const ApiView& attempt) {
    return attempt.text("tls").empty() ? ", not encrypted" : ", " + attempt.text("tls");
}

std::vector<SendResult> results_of(const ApiView& message) {
    const std::string state = message.text("state");
    const auto history = objects(message.list("history"));
    std::vector<SendResult> results;
    for (const ApiView recipient : objects(message.list("recipients"))) {
        SendResult result;
        result.address = recipient.text("address");
        result.outcome = recipient.text("state");
        if (result.outcome != "delivered" && result.outcome != "failed") {
            result.outcome = state == "queued" && !history.empty() ? "deferred" : state;
        }
        result.reply = word_of(recipient);
        if (result.reply.empty() && !history.empty()) result.reply = word_of(history.back());
        results.push_back(std::move(result));
    }
    return results;
}

}  // namespace

SendFollower::SendFollower(ControlChannel& channel, std::string id, Clock::time_point begin,
                           base::Duration wait, std::function<void(SendStep)> report)
    : channel_(channel),
      id_(std::move(id)),
      begin_(begin),
      deadline_(Clock::now() + wait),
      report_(std::move(report)) {}

base::Result<std::vector<SendResult>> SendFollower::follow() {
    const std::string target = "/api/v1/messages/" + admin::percent_encode(id_);
    const Clock::time_point start = Clock::now();
    for (;;) {
        admin::ApiRequest request;
        request.method = "GET";
        request.target = target;
        const auto response = channel_.call(std::move(request));
        if (!response) return response.error();
        if (response->status == 404) {
            return std::vector<SendResult>{};
        }
        const auto message = parse_answer(*response);
        if (!message) return message.error();
        const ApiView view{*message};
        if (ended(view)) return results_of(view);
        if (attempts_seen_ == 0 && Clock::now() - start > patience) report_troubled_smarthosts();
        const bool hopeless = (attempts_seen_ > 0 || trouble_told_) && waits_too_long(view);
        if (hopeless || Clock::now() >= deadline_) return results_of(view);
        std::this_thread::sleep_for(poll_interval);
    }
}

bool SendFollower::ended(const ApiView& message) {
    report_attempts(message);
    const std::string state = message.text("state");
    if (state == "queued" || state == "unknown") return false;
    if (state == "held") report("held", "it waits for \"relay queue release\"", Style::warning);
    return true;
}

void SendFollower::report_attempts(const ApiView& message) {
    const std::vector<ApiView> history = objects(message.list("history"));
    for (; attempts_seen_ < history.size(); ++attempts_seen_) {
        const ApiView& attempt = history[attempts_seen_];
        const std::string outcome = attempt.text("outcome");
        std::string text = word_of(attempt);
        if (before_mail(attempt.text("stage"))) {
            text = place_of(attempt) + " at " + attempt.text("stage") + ": " + text;
        } else {
            report_sign_in(attempt);
        }
        report(outcome, text, state_style(outcome));
    }
}

void SendFollower::report_sign_in(const ApiView& attempt) {
    std::string mechanism;
    if (const auto status = call_api(channel_, "GET", "/api/v1/status")) {
        for (const ApiView smarthost : objects(ApiView{*status}.list("smarthosts"))) {
            if (smarthost.text("name") == attempt.text("smarthost")) {
                mechanism = smarthost.text("auth");
            }
        }
    }
    const std::string place = place_of(attempt) + tls_of(attempt);
    if (mechanism.empty()) {
        report("connected", place, Style::plain);
    } else {
        report("signed in", place + ", " + mechanism, Style::plain);
    }
}

void SendFollower::report_troubled_smarthosts() {
    if (trouble_told_) return;
    const auto status = call_api(channel_, "GET", "/api/v1/status");
    if (!status) return;
    for (const ApiView smarthost : objects(ApiView{*status}.list("smarthosts"))) {
        const std::string health = smarthost.text("health");
        if (health != "paused" && health != "failing") continue;
        report("waiting",
               smarthost.text("name") + " is " +
                   smarthost_health(smarthost, base::SystemClock{}.now()),
               Style::warning);
        trouble_told_ = true;
    }
}

bool SendFollower::waits_too_long(const ApiView& message) const {
    const auto due = message.time("due");
    return due && *due - base::SystemClock{}.now() > deadline_ - Clock::now();
}

void SendFollower::report(std::string name, std::string text, Style style) {
    SendStep step;
    step.after = std::chrono::duration_cast<base::Duration>(Clock::now() - begin_);
    step.name = std::move(name);
    step.text = std::move(text);
    step.style = style;
    report_(std::move(step));
}

}  // namespace relay
