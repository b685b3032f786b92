#include "relay/cli.hpp"

int main(int argc, char** argv) { return relay::run_cli(argc, argv); }
