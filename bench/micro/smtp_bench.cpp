// The state machines and the framing by themselves: build/release/bin/smtp_bench
#include <benchmark/benchmark.h>

#include "bench/micro/conversation.hpp"
#include "smtp/data_reader.hpp"

namespace {

void set_bytes(benchmark::State& state, std::size_t each) {
    state.SetItemsProcessed(state.iterations());
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(each));
}

void receive_message(benchmark::State& state) {
    const std::string submission =
        bench::make_submission(bench::make_message(static_cast<std::size_t>(state.range(0))));
    bench::Submissions submissions;
    for (auto _ : state) benchmark::DoNotOptimize(submissions.take(submission));
    set_bytes(state, submission.size());
}

void send_message(benchmark::State& state) {
    const std::string message = bench::make_message(static_cast<std::size_t>(state.range(0)));
    bench::Deliveries deliveries{state.range(1) != 0};
    for (auto _ : state) benchmark::DoNotOptimize(deliveries.send(message));
    set_bytes(state, message.size());
}

void read_dots(benchmark::State& state) {
    const std::string message = bench::make_message(static_cast<std::size_t>(state.range(0)));
    const std::string framed = message + ".\r\n";
    smtp::DataReader reader;
    for (auto _ : state) {
        reader.start(smtp::DataReader::Framing::dots);
        for (std::string_view left = framed; !left.empty();) {
            const smtp::DataReader::Step step = reader.read(left);
            benchmark::DoNotOptimize(step.content.data());
            left.remove_prefix(step.consumed);
        }
    }
    set_bytes(state, framed.size());
}

void edit_header(benchmark::State& state) {
    const std::string message = bench::make_message(static_cast<std::size_t>(state.range(0)));
    std::string out;
    for (auto _ : state) {
        out.clear();
        smtp::HeaderEditor editor{{"Received: by relay.example\r\n", true, "now", "<1@a>"}};
        editor.write(message, out);
        editor.finish(out);
        benchmark::DoNotOptimize(out.data());
    }
    set_bytes(state, message.size());
}

BENCHMARK(receive_message)->ArgName("bytes")->Arg(1 << 10)->Arg(4 << 10)->Arg(100 << 10);
BENCHMARK(send_message)
    ->ArgNames({"bytes", "chunking"})
    ->ArgsProduct({{1 << 10, 4 << 10, 100 << 10}, {0, 1}});
BENCHMARK(read_dots)->ArgName("bytes")->Arg(4 << 10)->Arg(1 << 20);
BENCHMARK(edit_header)->ArgName("bytes")->Arg(4 << 10);

}  // namespace

BENCHMARK_MAIN();
