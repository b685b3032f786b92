#include "net/resolver.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <tuple>

#include "base/text.hpp"
#include "base/units.hpp"
#include "net/address_question.hpp"
#include "net/ares_channel.hpp"
#include "net/await.hpp"
#include "net/cidr.hpp"
#include "net/dns_message.hpp"
#include "net/dns_status.hpp"
#include "net/resolv_conf.hpp"

namespace net {
namespace {

namespace asio = boost::asio;
namespace ip = boost::asio::ip;
using SteadyClock = std::chrono::steady_clock;

// The name an address is looked up by: RFC 1035 section 3.5, RFC 3596 section 2.5.
std::string reverse_name(const ip::address& address) {
    if (address.is_v4()) {
        const auto bytes = address.to_v4().to_bytes();
        return fmt::format("{}.{}.{}.{}.in-addr.arpa", bytes[3], bytes[2], bytes[1], bytes[0]);
    }
    std::string name;
    const auto bytes = address.to_v6().to_bytes();
    for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
        name += fmt::format("{:x}.{:x}.", *byte & 0x0fU, *byte >> 4U);
    }
    return name + "ip6.arpa";
}

// What tells one version of a file from the next.
using FileMark = std::tuple<ino_t, off_t, time_t, long>;

FileMark mark_of(const std::string& path) {
    struct stat facts{};
    if (::stat(path.c_str(), &facts) != 0) return {};
    return {facts.st_ino, facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec};
}

class AresResolver final : public Resolver {
 public:
    AresResolver(asio::any_io_executor executor, ResolverOptions options)
        : executor_(std::move(executor)), options_(std::move(options)) {}
    AresResolver(const AresResolver&) = delete;
    AresResolver& operator=(const AresResolver&) = delete;
    ~AresResolver() override {
        if (raw_) raw_->cancel();
        if (lookup_) lookup_->cancel();
    }

    asio::awaitable<DnsAnswer<Addresses>> addresses(std::string host, Family family) override;
    asio::awaitable<DnsAnswer<std::vector<MxRecord>>> mx(std::string domain) override;
    asio::awaitable<DnsAnswer<std::vector<std::string>>> txt(std::string name) override;
    asio::awaitable<DnsAnswer<std::vector<std::string>>> ptr(ip::address address) override;
    asio::awaitable<DnsAnswer<DnsRecords>> query(std::string name, RecordType type) override;
    [[nodiscard]] bool local_servers() const override;

 private:
    using Channel = std::shared_ptr<AresChannel>;
    static constexpr std::chrono::seconds check_interval{1};

    // Opens the channels at first use, anew when resolv.conf has changed, and in another order when
    // the first server was silent. Questions under way keep the channel they were asked on.
    void refresh();
    void open_channels(const std::string& servers);
    static Channel open_channel(const asio::any_io_executor& executor,
                                const ResolverOptions& options, AresChannel::Mode mode);

    [[nodiscard]] Asking asking(Channel channel) const {
        return {std::move(channel), executor_, options_.deadline};
    }
    static asio::awaitable<Reply<std::string>> ask(Asking asking, std::string name, int type,
                                                   bool verified = false);
    static asio::awaitable<Reply<DnsStatus>> why_refused(Asking asking, std::string host);
    template <class Record>
    asio::awaitable<DnsAnswer<std::vector<Record>>> records(
        std::string name, RecordType type, std::string_view what,
        std::vector<Record> DnsMessage::* member);

    asio::any_io_executor executor_;
    ResolverOptions options_;
    Channel raw_, lookup_;
    FileMark mark_;
    std::string order_;  // of the servers; "": as resolv.conf has it
    SteadyClock::time_point next_check_{};
};

AresResolver::Channel AresResolver::open_channel(const asio::any_io_executor& executor,
                                                 const ResolverOptions& options,
                                                 AresChannel::Mode mode) {
    base::Result<Channel> opened = AresChannel::open(executor, options, mode);
    return opened ? *std::move(opened) : nullptr;
}

void AresResolver::refresh() {
    if (raw_ && lookup_ && (raw_->lost_time() || lookup_->lost_time())) {
        // Whoever comes first now stays first until it is silent as well.
        const std::string rotated = lookup_->servers_rotated();
        open_channels(rotated.empty() ? order_ : rotated);
    }
    const auto now = SteadyClock::now();
    if (raw_ && lookup_ && now < next_check_) return;
    next_check_ = now + check_interval;
    const FileMark mark = mark_of(options_.resolv_conf);
    if (raw_ && lookup_ && mark == mark_) return;
    mark_ = mark;
    open_channels(options_.servers);
}

void AresResolver::open_channels(const std::string& servers) {
    order_ = servers;
    ResolverOptions options = options_;
    options.servers = servers;
    raw_ = open_channel(executor_, options, AresChannel::Mode::raw);
    lookup_ = open_channel(executor_, options, AresChannel::Mode::lookup);
}

// Static like what follows it, for the resolver may be gone when an answer comes.
asio::awaitable<Reply<std::string>> AresResolver::ask(Asking asking, std::string name, int type,
                                                      bool verified) {
    using Answer = Reply<std::string>;
    const auto start = [asking, name, type, verified](std::function<void(Answer)> done) {
        if (!asking.channel) return done(Answer{ARES_ENOTINITIALIZED, {}});
        const auto answered =
            with_deadline<std::string>(asking.executor, asking.limit, std::move(done));
        if (verified) {
            asking.channel->query_verified(name, type, answered);
        } else {
            asking.channel->query(name, type, answered);
        }
    };
    return await_callback<Answer>(start);
}

// c-ares 1.18 says "connection refused" both for a server that is not there and for one that
// answers that it failed or refuses. One plain question tells them apart.
asio::awaitable<Reply<DnsStatus>> AresResolver::why_refused(Asking asking, std::string host) {
    using Answer = Reply<DnsStatus>;
    constexpr int type_a = 1;
    const Reply<std::string> reply = co_await ask(asking, host, type_a);
    if (reply.status != ARES_SUCCESS) co_return Answer{reply.status, status_of(reply.status)};
    const auto message = parse_dns_message(reply.value, RecordType::ptr);
    if (!message) co_return Answer{ARES_EBADRESP, DnsStatus::malformed};
    DnsStatus status = status_of_code(message->response_code, false);
    if (status == DnsStatus::no_data) status = DnsStatus::server_failure;  // of the first question
    co_return Answer{ARES_SUCCESS, status};
}

asio::awaitable<DnsAnswer<Addresses>> AresResolver::addresses(std::string host, Family family) {
    DnsAnswer<Addresses> answer;
    int ares_status = ARES_SUCCESS;
    const Addresses known = known_addresses(host);
    if (known.empty()) {
        refresh();
        const Asking lookup = asking(lookup_), raw = asking(raw_);
        Reply<Addresses> reply = co_await ask_addresses(lookup, host, family);
        ares_status = reply.status;
        answer.status = status_of(ares_status);
        answer.records = std::move(reply.value);
        if (ares_status == ARES_ECONNREFUSED) {
            const Reply<DnsStatus> why = co_await why_refused(raw, host);
            answer.status = why.value;
            ares_status = why.status;
        }
    } else {
        answer.records = of_family(known, family);
    }
    if (answer.status == DnsStatus::ok && answer.records.empty()) {
        answer.status = DnsStatus::no_data;
    }
    answer.problem = problem_of(answer.status, address_words(family), host, ares_status);
    co_return answer;
}

template <class Record>
asio::awaitable<DnsAnswer<std::vector<Record>>> AresResolver::records(
    std::string name, RecordType type, std::string_view what,
    std::vector<Record> DnsMessage::* member) {
    DnsAnswer<std::vector<Record>> answer;
    refresh();
    const Asking question = asking(raw_);
    const Reply<std::string> reply = co_await ask(question, name, static_cast<int>(type));
    answer.status = status_of(reply.status);
    if (answer.status == DnsStatus::ok) {
        base::Result<DnsMessage> message = parse_dns_message(reply.value, type);
        if (message) {
            answer.records = std::move((*message).*member);
            answer.status = status_of_code(message->response_code, !answer.records.empty());
        } else {
            answer.status = DnsStatus::malformed;
        }
    }
    answer.problem = problem_of(answer.status, what, name, reply.status);
    co_return answer;
}

asio::awaitable<DnsAnswer<std::vector<MxRecord>>> AresResolver::mx(std::string domain) {
    return records(std::move(domain), RecordType::mx, "mail servers (MX records)", &DnsMessage::mx);
}

asio::awaitable<DnsAnswer<std::vector<std::string>>> AresResolver::txt(std::string name) {
    return records(std::move(name), RecordType::txt, "TXT record", &DnsMessage::txt);
}

asio::awaitable<DnsAnswer<std::vector<std::string>>> AresResolver::ptr(ip::address address) {
    return records(reverse_name(address), RecordType::ptr, "reverse name (PTR record)",
                   &DnsMessage::ptr);
}

bool has_records(const DnsRecords& records, RecordType type) {
    switch (type) {
        case RecordType::a:
        case RecordType::aaaa:
            return !records.addresses.empty();
        case RecordType::cname:
            return !records.aliases.empty();
        case RecordType::soa:
            return records.soa.has_value();
        case RecordType::tlsa:
            return !records.tlsa.empty();
        default:
            return false;
    }
}

std::string_view record_words(RecordType type) {
    switch (type) {
        case RecordType::a:
            return "IPv4 address";
        case RecordType::aaaa:
            return "IPv6 address";
        case RecordType::cname:
            return "alias (CNAME record)";
        case RecordType::soa:
            return "zone (SOA record)";
        default:
            return "TLSA record";
    }
}

asio::awaitable<DnsAnswer<DnsRecords>> AresResolver::query(std::string name, RecordType type) {
    DnsAnswer<DnsRecords> answer;
    refresh();
    const Asking question = asking(raw_);
    const Reply<std::string> reply = co_await ask(question, name, static_cast<int>(type), true);
    answer.status = status_of(reply.status);
    if (answer.status == DnsStatus::ok) {
        base::Result<DnsMessage> message = parse_dns_message(reply.value, type);
        if (message) {
            answer.records = std::move(message->records);
            answer.status =
                status_of_code(message->response_code, has_records(answer.records, type));
        } else {
            answer.status = DnsStatus::malformed;
        }
    }
    answer.problem = problem_of(answer.status, record_words(type), name, reply.status);
    co_return answer;
}

bool AresResolver::local_servers() const {
    std::vector<std::string> servers;
    if (options_.servers.empty()) {
        servers = read_resolv_conf(options_.resolv_conf).servers;
    } else {
        for (std::string_view server : base::split(options_.servers, ',')) {
            if (server.starts_with('[')) {
                server = server.substr(1, server.find(']') - 1);
            } else {
                server = server.substr(0, server.find(':'));
            }
            servers.emplace_back(server);
        }
    }
    return !servers.empty() && std::all_of(servers.begin(), servers.end(), is_loopback_address);
}

}  // namespace

asio::awaitable<DnsAnswer<DnsRecords>> Resolver::query(std::string name, RecordType) {
    DnsAnswer<DnsRecords> answer;
    answer.status = DnsStatus::server_failure;
    answer.problem = fmt::format("{} cannot be looked up here", base::printable(name, 253));
    co_return answer;
}

std::unique_ptr<Resolver> make_resolver(asio::any_io_executor executor) {
    return make_resolver(std::move(executor), ResolverOptions{});
}

std::unique_ptr<Resolver> make_resolver(asio::any_io_executor executor, ResolverOptions options) {
    return std::make_unique<AresResolver>(std::move(executor), std::move(options));
}

}  // namespace net
