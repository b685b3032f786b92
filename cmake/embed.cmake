# Files built into the program. The assembler's .incbin takes them as they are: no arrays of a
# million numbers for the compiler to read, and a changed file is picked up by the next build.
enable_language(ASM)

# relay_embed(target HEADER path NAMESPACE name FILES a.toml b/page.css ...)
# Adds to target, for each file, `std::string_view name::a_toml()` (a path's folders left out, other
# characters than letters and digits become '_'). The header declares those functions by hand.
function(relay_embed target)
  cmake_parse_arguments(ARG "" "HEADER;NAMESPACE" "FILES" ${ARGN})
  set(assembler "    .section .rodata\n")
  set(declarations "")
  set(definitions "")
  set(paths "")
  foreach(file ${ARG_FILES})
    get_filename_component(path ${file} ABSOLUTE)
    get_filename_component(leaf ${file} NAME)
    string(MAKE_C_IDENTIFIER ${leaf} name)
    set(symbol relay_embedded_${target}_${name})
    list(APPEND paths ${path})
    string(APPEND assembler
      "    .globl ${symbol}_begin, ${symbol}_end\n"
      "    .hidden ${symbol}_begin, ${symbol}_end\n"
      "    .balign 16\n"
      "${symbol}_begin:\n    .incbin \"${path}\"\n${symbol}_end:\n    .byte 0\n")
    string(APPEND declarations "extern const char ${symbol}_begin[], ${symbol}_end[];\n")
    string(APPEND definitions
      "std::string_view ${name}() { return {${symbol}_begin, ${symbol}_end}; }\n")
  endforeach()
  # Without this note the linker would make the program's stack executable.
  string(APPEND assembler "    .section .note.GNU-stack,\"\",%progbits\n")
  set(stem ${CMAKE_CURRENT_BINARY_DIR}/${target}_files)
  file(CONFIGURE OUTPUT ${stem}.S CONTENT "${assembler}" @ONLY)
  file(CONFIGURE OUTPUT ${stem}.cpp @ONLY CONTENT "#include \"${ARG_HEADER}\"

extern \"C\" {
${declarations}}

namespace ${ARG_NAMESPACE} {
${definitions}}  // namespace ${ARG_NAMESPACE}
")
  set_source_files_properties(${stem}.S PROPERTIES OBJECT_DEPENDS "${paths}")
  target_sources(${target} PRIVATE ${stem}.S ${stem}.cpp)
endfunction()
