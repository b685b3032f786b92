#include "relay/reply_for.hpp"

namespace relay {

smtp::Reply reply_for(spool::Problem problem) {
    switch (problem) {  // no default: the compiler names a forgotten enumerator
        case spool::Problem::full:
            return {452, "4.3.1", "Insufficient system storage, try again later"};
        case spool::Problem::read_only:
        case spool::Problem::io:
        case spool::Problem::unsynced:
        case spool::Problem::corrupt:
        case spool::Problem::body_lost:
        case spool::Problem::not_found:
            break;
    }
    return {451, "4.3.0", "The message could not be stored, try again later"};
}

smtp::Reply shutting_down() { return {421, "4.3.2", "Shutting down, try again later"}; }
smtp::Reply idle_too_long() { return {421, "4.4.2", "Idle for too long, closing the connection"}; }

smtp::Reply no_end_of_content() {
    return {421, "4.4.2",
            "Idle for too long: the last dot stood behind or before a lone CR or LF, and only "
            "<CR><LF>.<CR><LF> ends the content"};
}
smtp::Reply mail_loop() {
    return {554, "5.4.6", "Too many Received fields, this message is in a loop"};
}
smtp::Reply too_many_connections() {
    return {421, "4.7.0", "Too many connections, try again later"};
}
smtp::Reply client_not_allowed() { return {554, "5.7.1", "This client may not send mail here"}; }
smtp::Reply client_unknown() {
    return {554, "5.7.1", "The client behind the proxy is not known, so it may not send mail here"};
}
smtp::Reply proxy_header_missing() {
    return {421, "4.7.0", "A proxy in front of this server must begin with a PROXY header"};
}

}  // namespace relay
