#include <boost/json/object.hpp>

#include "admin/json.hpp"
#include "admin/routes.hpp"
#include "admin/selection.hpp"

namespace admin {

namespace json = boost::json;

namespace {

ApiResponse changed_response(std::uint64_t count) {
    json::object object;
    object["changed"] = count;
    return json_response(object);
}

void submit(const Services& services, Action action, spool::Selection selection,
            spool::Done<std::uint64_t> done) {
    const base::Time now = base::SystemClock{}.now();
    switch (action) {
        case Action::retry:
            return services.spool->retry(std::move(selection), now, std::move(done));
        case Action::hold:
            return services.spool->hold(std::move(selection), std::move(done));
        case Action::release:
            return services.spool->unhold(std::move(selection), now, std::move(done));
        case Action::remove:
            return services.spool->remove(std::move(selection), std::move(done));
    }
}

// A retry also tries a paused smarthost at once, so it counts even if no message moved.
void wake_delivery(const Services& services, Action action, std::uint64_t changed) {
    const bool wakes = action == Action::retry || (action == Action::release && changed > 0);
    if (wakes && services.attempt_now) services.attempt_now();
}

std::string why_unchanged(Action action, const spool::Message& message) {
    const std::string subject =
        "message " + message.id.text() + " is " + std::string(spool::state_name(message.state));
    switch (action) {
        case Action::retry:
            return message.state == spool::MessageState::held
                       ? subject + ": release it first"
                       : subject + ": there is nothing left to deliver";
        case Action::hold:
            return subject + ": there is nothing to hold";
        case Action::release:
            return subject + ": only held messages can be released";
        case Action::remove:
            return subject + " and could not be deleted";
    }
    return subject;
}

// Nothing changed: is the message missing, or in a state that the action does not fit?
void explain_unchanged(Call call, Action action, base::MessageId id) {
    call.services->spool->show(
        id, [done = std::move(call.done), action](spool::Outcome<spool::Details> details) {
            done(details ? error_response(409, "conflict", why_unchanged(action, details->message))
                         : spool_error_response(details.error()));
        });
}

}  // namespace

void change_message(Call call, Action action) {
    const auto id = base::MessageId::parse(call.id);
    if (!id) {
        return call.done(
            error_response(404, "not_found", "there is no message " + valid_utf8(call.id)));
    }
    spool::Selection selection;
    selection.ids.push_back(*id);
    const auto services = call.services;
    submit(*services, action, std::move(selection),
           [call = std::move(call), action, id = *id](spool::Outcome<std::uint64_t> changed) {
               if (!changed) return call.done(spool_error_response(changed.error()));
               wake_delivery(*call.services, action, *changed);
               if (*changed == 0) return explain_unchanged(call, action, id);
               call.done(changed_response(*changed));
           });
}

void change_messages(Call call, Action action) {
    base::Result<spool::Selection> selection = parse_selection(call.body);
    if (!selection) {
        return call.done(error_response(400, "bad_request", selection.error().message));
    }
    const auto services = call.services;
    submit(*services, action, std::move(*selection),
           [call = std::move(call), action](spool::Outcome<std::uint64_t> changed) {
               if (!changed) return call.done(spool_error_response(changed.error()));
               wake_delivery(*call.services, action, *changed);
               call.done(changed_response(*changed));
           });
}

}  // namespace admin
