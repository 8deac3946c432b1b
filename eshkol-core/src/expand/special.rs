//! The names that are syntax, not procedures, and how each is written.

/// Declares the special forms with their spelling and shape.
macro_rules! specials {
    ($($variant:ident $name:literal $shape:literal;)*) => {
        /// A special form.
        #[derive(Copy, Clone, PartialEq, Eq, Debug)]
        pub(super) enum Special { $(#[doc = $shape] $variant),* }

        impl Special {
            /// The special form of a name.
            pub(super) fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// Its name.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// How it is written.
            pub(super) fn shape(self) -> &'static str {
                match self { $(Self::$variant => $shape),* }
            }

            /// Every name.
            pub(super) const NAMES: &'static [&'static str] = &[$($name),*];
        }
    };
}

specials! {
    Quote "quote" "(quote datum)";
    Quasiquote "quasiquote" "(quasiquote template)";
    Lambda "lambda" "(lambda (x (y : u32) . rest) body …)";
    If "if" "(if test then else)";
    Cond "cond" "(cond (test e …) (test => procedure) … (else e …))";
    Case "case" "(case key ((datum …) e …) … (else e …))";
    When "when" "(when test e …)";
    Unless "unless" "(unless test e …)";
    And "and" "(and e …)";
    Or "or" "(or e …)";
    Begin "begin" "(begin e …)";
    Set "set!" "(set! name e)";
    Let "let" "(let ((name e) (name : type e) …) body …)";
    LetStar "let*" "(let* ((name e) …) body …)";
    Letrec "letrec" "(letrec ((name e) …) body …)";
    LetrecStar "letrec*" "(letrec* ((name e) …) body …)";
    LetValues "let-values" "(let-values (((a b) e) …) body …)";
    LetStarValues "let*-values" "(let*-values (((a b) e) …) body …)";
    LetSyntax "let-syntax" "(let-syntax ((name (syntax-rules …)) …) body …)";
    LetrecSyntax "letrec-syntax" "(letrec-syntax ((name (syntax-rules …)) …) body …)";
    SyntaxRules "syntax-rules" "(syntax-rules (literal …) ((_ pattern …) template) …)";
    Do "do" "(do ((name init step) …) (test e …) command …)";
    While "while" "(while test body …)";
    For "for" "(for (x in sequence) body …)";
    IfLet "if-let" "(if-let (x e) then else)";
    WhenLet "when-let" "(when-let (x e) body …)";
    The "the" "(the type e)";
    SizeOf "sizeof" "(sizeof type)";
    FieldExists "field-exists?" "(field-exists? struct field …)";
    TypeExists "type-exists?" "(type-exists? struct)";
    TracepointField "tracepoint-field" "(tracepoint-field ctx field)";
    ParseHeader "parse-header" "(parse-header name cursor)";
    Reserve "ringbuf-reserve" "(ringbuf-reserve buffer struct)";
    Define "define" "(define name e), (define name : type e) or (define (f a (b : type) . rest) : type body …)";
    DefineValues "define-values" "(define-values (a b) e)";
    DefineSyntax "define-syntax" "(define-syntax name (syntax-rules (literal …) ((_ pattern …) template) …))";
    Signature ":" "(: name type)";
    DefineProgram "define-ebpf-program" "(define-ebpf-program name (license \"GPL\") (program-type :xdp) definition …)";
    DefineObject "define-ebpf-object" "(define-ebpf-object name clause …)";
    DefineMap "define-map" "(define-map name :hash (key-type type) (value-type type) (max-entries n))";
    DefineStruct "define-struct" "(define-struct name (field type) …)";
    DefineHeader "define-header" "(define-header name (field type) …)";
    DefineEnum "define-enum" "(define-enum name variant (variant value) …)";
    DefineGlobal "define-global" "(define-global name type value) or (define-global (name :mutable) type value)";
    DefineType "define-type" "(define-type name type)";
    DefineKernelStruct "define-kernel-struct" "(define-kernel-struct name (field type) …)";
    DefineKernelEnum "define-kernel-enum" "(define-kernel-enum name variant …)";
    DefineKfunc "define-kfunc" "(define-kfunc name (parameter type) … result)";
    Import "import" "(import (library name))";
    Include "include" "(include \"file.esh\")";
}

impl Special {
    /// Whether it defines something, and so stands only at the head of a body or outside procedures.
    pub(super) fn is_definition(self) -> bool {
        matches!(self, Self::Define | Self::DefineValues | Self::DefineSyntax | Self::Signature)
            || self.is_declaration()
    }

    /// Whether it stands only outside procedures.
    pub(super) fn is_declaration(self) -> bool {
        matches!(
            self,
            Self::DefineProgram
                | Self::DefineObject
                | Self::DefineMap
                | Self::DefineStruct
                | Self::DefineHeader
                | Self::DefineEnum
                | Self::DefineGlobal
                | Self::DefineType
                | Self::DefineKernelStruct
                | Self::DefineKernelEnum
                | Self::DefineKfunc
                | Self::Import
                | Self::Include
        )
    }
}
