# config/environments/production.rb: the lines that send ActionMailer's mail through relay.
Rails.application.configure do
  config.action_mailer.delivery_method = :smtp
  config.action_mailer.smtp_settings = {
    address: "localhost",
    port: 2525,
    enable_starttls: false # plain on loopback; relay encrypts on the way out
  }
end
