"""The lines of a Django project's settings that send its mail through relay."""

EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = "localhost"
EMAIL_PORT = 2525
EMAIL_USE_TLS = False  # plain on loopback; relay encrypts on the way out
EMAIL_TIMEOUT = 30
DEFAULT_FROM_EMAIL = "app@example.com"
SERVER_EMAIL = "app@example.com"  # sender of error reports to ADMINS
