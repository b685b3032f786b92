#pragma once

// Catch2 2 (Debian 12) or 3: the one place that knows which.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
