set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

option(RELAY_WERROR "Treat warnings as errors" ON)
set(RELAY_SANITIZE "" CACHE STRING "Value for -fsanitize=, such as address,undefined or thread")

add_library(relay_flags INTERFACE)
target_include_directories(relay_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(relay_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor)
if(RELAY_WERROR)
  target_compile_options(relay_flags INTERFACE -Werror)
endif()
# Asio and Beast are compiled once, in cmake/asio_impl.cpp, instead of in every file. Coroutine
# frames come from operator new: aligned allocations pass by the cache that malloc has for each thread.
set(RELAY_BOOST_DEFINITIONS
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_DISABLE_STD_ALIGNED_ALLOC BOOST_ASIO_DISABLE_BOOST_ALIGN)
target_compile_definitions(relay_flags INTERFACE ${RELAY_BOOST_DEFINITIONS})

# In each kind of build: what ends the program that users run must end a test.
add_compile_definitions(_GLIBCXX_ASSERTIONS)

if(RELAY_SANITIZE)
  add_compile_options(-fsanitize=${RELAY_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${RELAY_SANITIZE})
  if(RELAY_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # These three double the compile time of coroutine code and find nothing clang does not.
      add_compile_options(-fno-sanitize=vptr,null,alignment,object-size)
    else()
      # clang calls coroutine frames through pointers it cannot type.
      add_compile_options(-fno-sanitize=function)
    endif()
  endif()
  if(RELAY_SANITIZE MATCHES "thread")
    add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)  # TSan cannot follow fences
  endif()
elseif(CMAKE_BUILD_TYPE MATCHES "Rel")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # With optimisation g++ 12 sees where the memory of a coroutine's frame comes from, but not that
    # Asio's operator delete gives it back there: a false alarm, which would end the build.
    add_compile_options(-Wno-mismatched-new-delete)
  endif()
  add_compile_options(-fstack-protector-strong -fcf-protection=full -fPIE)
  add_compile_definitions(_FORTIFY_SOURCE=2)
  add_link_options(-pie -Wl,-z,relro,-z,now)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Initializers and cold code apart from the rest, as other linkers do unasked: what stays unused
  # is then not mapped with what is used, which saves an idle relay 2 MiB.
  add_link_options(-fuse-ld=mold -Wl,-z,keep-text-section-prefix)
  if(CMAKE_BUILD_TYPE MATCHES "Rel")
    add_link_options(-Wl,--compress-debug-sections=zlib)  # what is run from build/ stays small
  endif()
endif()

# relay_library(name SOURCES a.cpp ... LINKS other ...): the library of one folder.
function(relay_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(relay_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(relay_${name} PUBLIC relay_flags ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
endfunction()

# relay_test(name SOURCES a_test.cpp ... LINKS relay_x ...): one Catch2 program, one CTest entry.
function(relay_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name}_test ${ARG_SOURCES})
  target_link_libraries(${name}_test PRIVATE relay_flags ${ARG_LINKS} Catch2::Catch2WithMain)
  target_compile_definitions(${name}_test PRIVATE RELAY_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME unit.${name} COMMAND ${name}_test)
  set_tests_properties(unit.${name} PROPERTIES TIMEOUT 300)
endfunction()
