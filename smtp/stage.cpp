#include "smtp/stage.hpp"

namespace smtp {

std::string_view stage_name(Stage stage) {
    switch (stage) {
        case Stage::dns:
            return "dns";
        case Stage::connect:
            return "connect";
        case Stage::greeting:
            return "greeting";
        case Stage::ehlo:
            return "ehlo";
        case Stage::starttls:
            return "starttls";
        case Stage::tls:
            return "tls";
        case Stage::auth:
            return "auth";
        case Stage::mail:
            return "mail";
        case Stage::rcpt:
            return "rcpt";
        case Stage::data:
            return "data";
        case Stage::body:
            return "body";
        case Stage::final_dot:
            return "final-dot";
        case Stage::quit:
            return "quit";
    }
    return "unknown";
}

}  // namespace smtp
