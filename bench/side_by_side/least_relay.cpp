// The least that a relay can do which syncs before its 250: one thread for the network, one that
// appends what waits to a file and syncs it once, and mail that goes on over kept connections. It
// checks nothing, records no outcome and survives no restart: what it reaches is this machine's
// limit for such a relay, under the same load.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using std::literals::string_view_literals::operator""sv;

constexpr off_t log_size = 32 << 20;  // written over and over, as relay's is
constexpr std::size_t most_outgoing = 20;
constexpr auto transaction =
    "MAIL FROM:<least@example.com>\r\nRCPT TO:<someone@example.com>\r\nDATA\r\n"sv;

struct Client {
    int socket;
    std::string input;
    bool in_content = false;
};

struct Message {
    std::weak_ptr<Client> sender;
    std::string content;  // as it came, with its dots
};

struct Outgoing {
    enum class Step { greeting, idle, commands, content, closed };
    int socket;
    Step step = Step::greeting;
    unsigned replies = 0;  // heard in this step
    std::string input;
    Message message;
};

void say(int socket, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
        if (count <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(count));
    }
}

sockaddr_in loopback(unsigned short port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

void set_undelayed(int socket) {
    const int yes = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

// Appends what waits, syncs once, and tells the network's thread.
class Log {
 public:
    explicit Log(const char* file)
        : file_(::open(file, O_RDWR | O_CREAT | O_TRUNC, 0600)), done_(::eventfd(0, EFD_NONBLOCK)) {
        const std::string zeros(log_size, '\0');
        if (::pwrite(file_, zeros.data(), zeros.size(), 0) < 0 || ::fsync(file_) != 0) std::abort();
        std::thread{[this] { run(); }}.detach();
    }
    [[nodiscard]] int descriptor() const { return done_; }
    void add(Message message) {
        {
            const std::lock_guard lock{mutex_};
            waiting_.push_back(std::move(message));
        }
        wake_.notify_one();
    }
    std::vector<Message> take_synced() {
        std::uint64_t count = 0;
        if (::read(done_, &count, sizeof count) < 0) return {};
        const std::lock_guard lock{mutex_};
        return std::exchange(synced_, {});
    }

 private:
    [[noreturn]] void run() {
        std::string bytes;
        for (off_t at = 0;;) {
            std::unique_lock lock{mutex_};
            wake_.wait(lock, [this] { return !waiting_.empty(); });
            std::vector<Message> batch = std::exchange(waiting_, {});
            lock.unlock();
            bytes.clear();
            for (const Message& message : batch) bytes += message.content;
            if (at + static_cast<off_t>(bytes.size()) > log_size) at = 0;
            if (::pwrite(file_, bytes.data(), bytes.size(), at) < 0) std::abort();
            if (::fdatasync(file_) != 0) std::abort();
            at += static_cast<off_t>(bytes.size());
            lock.lock();
            std::move(batch.begin(), batch.end(), std::back_inserter(synced_));
            lock.unlock();
            const std::uint64_t one = 1;
            if (::write(done_, &one, sizeof one) < 0) std::abort();
        }
    }

    int file_, done_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Message> waiting_, synced_;
};

class Relay {
 public:
    Relay(unsigned short port, unsigned short sink, const char* file)
        : sink_(sink),
          log_(file),
          poll_(::epoll_create1(0)),
          listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
        const int yes = 1;
        const sockaddr_in address = loopback(port);
        ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        const auto* where = reinterpret_cast<const sockaddr*>(&address);
        if (::bind(listener_, where, sizeof address) != 0) std::abort();
        if (::listen(listener_, 1024) != 0) std::abort();
        watch(listener_);
        watch(log_.descriptor());
    }

    [[noreturn]] void run() {
        std::vector<epoll_event> events(256);
        for (;;) {
            const int count =
                ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), -1);
            for (int i = 0; i < count; ++i) {
                serve(events[static_cast<std::size_t>(i)].data.fd);
            }
        }
    }

 private:
    void serve(int socket) {
        if (socket == listener_) return accept();
        if (socket == log_.descriptor()) return go_on();
        if (clients_.size() > static_cast<std::size_t>(socket)) {
            if (const auto client = clients_[static_cast<std::size_t>(socket)]) {
                return hear(client);
            }
        }
        for (Outgoing& each : outgoing_) {
            const bool closed = each.step == Outgoing::Step::closed;
            if (each.socket == socket && !closed) return hear(each);
        }
    }

    void accept() {
        const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket < 0) return;
        set_undelayed(socket);
        clients_.resize(std::max(clients_.size(), static_cast<std::size_t>(socket) + 1));
        clients_[static_cast<std::size_t>(socket)] = std::make_shared<Client>(Client{socket, {}});
        watch(socket);
        say(socket, "220 least\r\n");
    }

    void hear(const std::shared_ptr<Client>& client) {
        if (!read(client->socket, client->input)) return close(client->socket);
        for (;;) {
            std::string& input = client->input;
            if (client->in_content) {
                const std::size_t end = input.find("\r\n.\r\n");
                if (end == std::string::npos) return;
                log_.add({client, input.substr(0, end + 5)});
                input.erase(0, end + 5);
                client->in_content = false;
                return;  // nobody pipelines behind content here
            }
            const std::size_t end = input.find("\r\n");
            if (end == std::string::npos) return;
            const char verb = input[0];
            input.erase(0, end + 2);
            if (verb == 'Q') {
                say(client->socket, "221 bye\r\n");
                return close(client->socket);
            }
            client->in_content = verb == 'D';
            say(client->socket, verb == 'D' ? "354 go on\r\n"sv : "250 ok\r\n"sv);
        }
    }

    void go_on() {
        for (Message& message : log_.take_synced()) {
            if (const auto sender = message.sender.lock()) say(sender->socket, "250 queued\r\n");
            waiting_.push_back(std::move(message));
        }
        deliver();
    }

    void deliver() {
        for (Outgoing& each : outgoing_) {
            if (each.step == Outgoing::Step::idle && !waiting_.empty()) begin(each);
        }
        const auto coming = static_cast<std::size_t>(std::count_if(
            outgoing_.begin(), outgoing_.end(),
            [](const Outgoing& each) { return each.step == Outgoing::Step::greeting; }));
        if (waiting_.size() > coming && outgoing_.size() < most_outgoing) connect();
    }

    void connect() {
        const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
        const sockaddr_in address = loopback(sink_);
        const auto* where = reinterpret_cast<const sockaddr*>(&address);
        if (socket < 0) std::abort();
        if (::connect(socket, where, sizeof address) != 0) std::abort();
        set_undelayed(socket);
        watch(socket);
        outgoing_.push_back({socket, Outgoing::Step::greeting, 0, {}, {}});
        say(socket, "HELO least\r\n");
    }

    void begin(Outgoing& each) {
        each.message = std::move(waiting_.front());
        waiting_.pop_front();
        each.step = Outgoing::Step::commands;
        each.replies = 0;
        say(each.socket, transaction);
    }

    void hear(Outgoing& each) {
        if (!read(each.socket, each.input)) {  // the sink has had its number of messages
            each.step = Outgoing::Step::closed;
            ::close(each.socket);
            return;
        }
        each.replies +=
            static_cast<unsigned>(std::count(each.input.begin(), each.input.end(), '\n'));
        each.input.clear();
        if (each.step == Outgoing::Step::commands && each.replies == 3) {
            each.step = Outgoing::Step::content;
            each.replies = 0;
            say(each.socket, each.message.content);
            return;
        }
        const bool greeted = each.step == Outgoing::Step::greeting && each.replies == 2;
        const bool taken = each.step == Outgoing::Step::content && each.replies == 1;
        if (!greeted && !taken) return;
        each.step = Outgoing::Step::idle;
        deliver();
    }

    static bool read(int socket, std::string& input) {
        static std::vector<char> buffer(65536);
        const ssize_t count = ::recv(socket, buffer.data(), buffer.size(), 0);
        if (count <= 0) return false;
        input.append(buffer.data(), static_cast<std::size_t>(count));
        return true;
    }

    void watch(int descriptor) const {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = descriptor;
        if (::epoll_ctl(poll_, EPOLL_CTL_ADD, descriptor, &event) != 0) std::abort();
    }

    void close(int socket) {
        clients_[static_cast<std::size_t>(socket)] = nullptr;
        ::close(socket);
    }

    unsigned short sink_;
    Log log_;
    int poll_, listener_;
    std::vector<std::shared_ptr<Client>> clients_;  // by socket
    std::deque<Outgoing> outgoing_;
    std::deque<Message> waiting_;
};

unsigned short port_of(const char* text) { return static_cast<unsigned short>(std::atoi(text)); }

}  // namespace

int main(int count, char** words) {
    if (count != 4) return 2;
    Relay{port_of(words[1]), port_of(words[2]), words[3]}.run();
}
