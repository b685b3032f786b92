#include "delivery/body_rewriter.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

namespace delivery {
namespace {

constexpr std::size_t piece_size = 256UL << 10;

// Without a name from the start. Where the file system has none of that kind, with a name for a
// moment, and one that the spool takes for an unfinished body when it opens.
int open_nameless(const std::filesystem::path& folder) {
    const int nameless = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (nameless >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) return nameless;
    std::string name = (folder / "rewrite-XXXXXX.part").string();
    const int named = ::mkostemps(name.data(), 5, O_CLOEXEC);
    if (named >= 0) ::unlink(name.c_str());
    return named;
}

}  // namespace

BodyRewriter::~BodyRewriter() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

base::Result<BodyRewriter::Progress> BodyRewriter::step() { return studied_ ? rewrite() : study(); }

base::Result<BodyRewriter::Progress> BodyRewriter::study() {
    base::Result<std::string> piece = body_.read_now(offset_, piece_size);
    if (!piece) return piece.error();
    run_.study(*piece);
    offset_ += piece->size();
    if (offset_ < body_.size()) return Progress::more;
    run_.finish_study();
    if (run_.gave_up()) return Progress::gave_up;
    studied_ = true;
    offset_ = 0;
    const base::Result<> opened = open();
    if (!opened) return opened.error();
    return Progress::more;
}

base::Result<BodyRewriter::Progress> BodyRewriter::rewrite() {
    base::Result<std::string> piece = body_.read_now(offset_, piece_size);
    if (!piece) return piece.error();
    std::string rewritten = run_.rewrite(*piece);
    offset_ += piece->size();
    const bool last = offset_ >= body_.size();
    if (last) rewritten += run_.finish();
    const base::Result<> kept = write(rewritten);
    if (!kept) return kept.error();
    return last ? Progress::done : Progress::more;
}

base::Result<> BodyRewriter::open() {
    descriptor_ = open_nameless(body_.file().parent_path());
    if (descriptor_ >= 0) return {};
    return base::error("no file can be made beside it in the spool, to rewrite it: " +
                       base::errno_text(errno));
}

base::Result<> BodyRewriter::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            return base::error("it cannot be kept rewritten in the spool: " +
                               base::errno_text(errno));
        }
        bytes.remove_prefix(static_cast<std::size_t>(count));
        written_ += static_cast<std::uint64_t>(count);
    }
    return {};
}

BodySource BodyRewriter::result(boost::asio::any_io_executor files) {
    spool::Body body;
    body.file = body_.file();
    body.size = written_;
    return BodySource{std::move(files), std::move(body), std::exchange(descriptor_, -1)};
}

}  // namespace delivery
